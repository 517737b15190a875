"""The network of a run: made as its settings ask, and whether other settings fit it."""

from __future__ import annotations

from dataclasses import replace

import torch

from mtopt_learning.qlearn.networks import (
    AnyNetworkConfig,
    build_network,
    name_of,
    network_config,
)
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList


def make_network(
    tasks: TaskList,
    cameras: dict[str, tuple[int, int]],
    config: TrainConfig,
    network: AnyNetworkConfig | None = None,
) -> TwoStageQ:
    """A new network, drawn by the run's seed.

    Args:
        tasks: The cell's tasks.
        cameras: Camera name to (height, width) of its picture, px.
        config: Settings.
        network: The network's own, or None for those that `config` names.

    Raises:
        InputError: A task or camera is unknown, or the network's own settings are for others or
            for pictures of another size.
    """
    for name in config.tasks:
        tasks.index_of(name)
    for name in config.cameras:
        if name not in cameras:
            raise InputError("camera", where="train config", got=name, expected=list(cameras))
    if network is None:
        seen = {c: size for c, size in cameras.items() if c in (config.cameras or cameras)}
        network = network_config(
            config.network, len(tasks), seen, config.multi_head, config.affordance_weight > 0,
            config.goals.join if config.goals.batch else "",
            bool(config.goals.batch and config.goals.behaviour_weight)
            and config.goals.join == "input",
            tasks.included() if config.proposals else (),
        )  # fmt: skip
    if network.tasks != len(tasks):
        raise InputError(
            "number of tasks", where="network", got=network.tasks, expected=len(tasks),
            todo="use the task file that it was trained with",
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        made = build_network(network)
    if config.cameras and set(config.cameras) != set(made.input_px):
        raise InputError(
            "cameras", where="train config", got=config.cameras,
            expected=f"the network's own, {sorted(made.input_px)}",
        )  # fmt: skip
    check_pictures(made, cameras)
    return made


def check_pictures(network: TwoStageQ, cameras: dict[str, tuple[int, int]]) -> None:
    """Refuses pictures that this network cannot look at (`InputError`).

    Args:
        network: Any.
        cameras: Camera name to (height, width) of its picture, px.
    """
    for camera, wanted in network.input_px.items():
        size = tuple(cameras.get(camera, ()))
        larger = size and network.cuts_pictures and size[0] >= wanted[0] and size[1] >= wanted[1]
        if size != wanted and not larger:
            raise InputError(
                f"pictures of {camera}", where="network",
                got=f"{size[0]}x{size[1]}" if size else f"pictures of {sorted(cameras)} alone",
                expected=f"{wanted[0]}x{wanted[1]}{' or more' if network.cuts_pictures else ''}",
                todo="build the data set with such pictures, or train from scratch",
            )  # fmt: skip


def check_network(network: TwoStageQ, config: TrainConfig) -> None:
    """Refuses settings that ask for another network than this one (`InputError`)."""
    goals, own = config.goals, network.config
    wanted, have = (config.network, config.multi_head), (name_of(own), own.multi_head)
    if wanted != have:
        raise InputError(
            "network, multi_head", where="train config", got=wanted,
            expected=f"the run's own, {have}", todo="start a new run",
        )  # fmt: skip
    if config.proposals and not network.proposes_tasks:
        raise InputError(
            "proposals", where="train config", got=True,
            expected="False for a network that proposes nothing for tasks", todo="start a new run",
        )  # fmt: skip
    if goals.batch and not network.goal_cameras:
        raise InputError(
            "goals.batch", where="train config", got=goals.batch,
            expected="0 for a network without a goal input", todo="start a new run",
        )  # fmt: skip
    if goals.batch and goals.join != own.goal_join:
        raise InputError(
            "goals.join", where="train config", got=goals.join,
            expected=f"the network's own, {own.goal_join}", todo="start a new run",
        )  # fmt: skip


def with_proposers(config: TrainConfig, network: TwoStageQ, tasks: TaskList) -> TrainConfig:
    """The settings with the tasks whose clone proposes for one of theirs (`InputError` for none).

    A run of lift-any alone would leave as they are the clones of each lift, whose proposals
    lift-any takes, while its Q-function moves on.
    """
    if not network.proposes_tasks:
        return config
    proposers, learned = network.config.proposers, map(tasks.index_of, config.tasks)
    together = sorted({k for task in learned for k in proposers[task]})
    return replace(config, tasks=tuple(tasks.names[k] for k in together))
