"""The Q-networks by name."""

from __future__ import annotations

from mtopt_learning.qlearn.network import NetworkConfig, QNetwork, default_network
from mtopt_learning.qlearn.published import (
    PublishedConfig,
    PublishedQNetwork,
    published_network,
)
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec.errors import InputError

AnyNetworkConfig = NetworkConfig | PublishedConfig
CONFIGS: dict[str, type] = {"small": NetworkConfig, "published": PublishedConfig}
NETWORKS = tuple(CONFIGS)


def network_config(
    name: str,
    tasks: int,
    cameras: dict[str, tuple[int, int]],
    multi_head: bool = False,
    affordance_map: bool = True,
    goal_join: str = "",
    behaviour: bool = False,
    proposers: tuple[tuple[int, ...], ...] = (),
) -> AnyNetworkConfig:
    """The settings of a network by name, for these tasks and pictures.

    Args:
        name: One of `NETWORKS`.
        tasks: Number of tasks.
        cameras: Camera name to (height, width) of its picture, px.
        multi_head: One output a task instead of the task as an input.
        affordance_map: Whether the small network has one.
        goal_join: Where goal pictures join the small network, see `TrunkConfig`.
        behaviour: Whether a cloned policy to goals proposes actions.
        proposers: Whether and for which tasks it proposes actions of each task.

    Raises:
        InputError: The network cannot take such pictures.
    """
    if name == "published":
        if proposers:
            raise InputError(
                "proposals", where="published network", got=True, expected=False,
                todo="use the small network for proposals",
            )  # fmt: skip
        if goal_join:
            raise InputError(
                "goal_join", where="published network", got=goal_join, expected="''",
                todo="use the small network for goals",
            )  # fmt: skip
        return published_network(tasks, cameras, multi_head)
    return default_network(
        tasks, cameras, multi_head, affordance_map, goal_join, behaviour, proposers
    )


def name_of(config: AnyNetworkConfig) -> str:
    """The network's name in `NETWORKS`."""
    return next(name for name, kind in CONFIGS.items() if isinstance(config, kind))


def build_network(config: AnyNetworkConfig) -> TwoStageQ:
    """The network of these settings, freshly initialised."""
    return PublishedQNetwork(config) if isinstance(config, PublishedConfig) else QNetwork(config)
