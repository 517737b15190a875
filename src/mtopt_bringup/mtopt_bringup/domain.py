"""The ROS domain of a cell: its own, on this machine only, unless the person chose one."""

from __future__ import annotations

import os
import socket

from mtopt_spec.resources import share_dir

_HIGHEST = 101
"""Domains up to here use ports below Linux's ephemeral ones."""
_PORT_BASE, _PORTS_A_DOMAIN = 7400, 250


def domain_environment() -> dict[str, str]:
    """Variables for the cell's processes: ROS_DOMAIN_ID and a transport on this machine only.

    A ROS_DOMAIN_ID or ROS_AUTOMATIC_DISCOVERY_RANGE that is set already is kept.
    """
    variables = {"ROS_DOMAIN_ID": os.environ.get("ROS_DOMAIN_ID") or str(free_domain())}
    if not os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE"):
        profile = str(share_dir() / "params" / "fastdds_localhost.xml")
        variables.update(
            ROS_AUTOMATIC_DISCOVERY_RANGE="SUBNET",
            FASTRTPS_DEFAULT_PROFILES_FILE=profile,
            FASTDDS_DEFAULT_PROFILES_FILE=profile,
        )
    return variables


def free_domain() -> int:
    """A domain whose first participant's port nobody on this machine uses."""
    start = os.getpid() % _HIGHEST
    for i in range(_HIGHEST):
        domain = 1 + (start + i) % _HIGHEST
        if _is_free(_PORT_BASE + _PORTS_A_DOMAIN * domain + 10):
            return domain
    return 1 + start


def _is_free(port: int) -> bool:
    """True where no socket is bound to a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
            return True
        except OSError:
            return False
