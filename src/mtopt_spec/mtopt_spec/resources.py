"""Finds the worlds, parameters and launch files that mtopt_bringup installs."""

from __future__ import annotations

import os
from pathlib import Path

from mtopt_spec.errors import InputError


def share_dir(package: str = "mtopt_bringup") -> Path:
    """The share folder of a package on AMENT_PREFIX_PATH.

    Raises:
        InputError: No prefix on the path has the package.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        share = Path(prefix) / "share" / package
        if share.is_dir():
            return share
    raise InputError(
        f"package {package}",
        where="AMENT_PREFIX_PATH",
        got=prefixes,
        expected="a prefix with its share folder",
        todo="build the workspace and start through ./mtopt, or source its setup file",
    )
