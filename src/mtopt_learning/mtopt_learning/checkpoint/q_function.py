"""Checkpoints of the Q-function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.checkpoint.folder import load_folder, load_weights, save_folder
from mtopt_learning.qlearn.networks import CONFIGS, AnyNetworkConfig, build_network, name_of
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec.errors import InputError

KIND = "q_function"


@dataclass(frozen=True)
class QFunction:
    """A network and what it was trained for.

    Attributes:
        network: In evaluation mode, without gradients.
        tasks: Names in the order of its task input.
        cameras: Camera name to (height, width), px.
        fingerprint: Of the checkpoint; empty while it is only in memory.
        metrics: Figures kept with it.
        goals_alone: It learned goals and no task.
    """

    network: TwoStageQ
    tasks: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    fingerprint: str = ""
    metrics: dict | None = None
    goals_alone: bool = False


def network_to_plain(config: AnyNetworkConfig) -> dict:
    """A network's settings with its name, as JSON can hold them."""
    return {"kind": name_of(config), **to_plain(config)}


def network_from_plain(data: dict | None, where: object) -> AnyNetworkConfig:
    """The settings that `network_to_plain` gave.

    Raises:
        InputError: The kind is unknown or a setting is refused.
    """
    data = dict(data) if isinstance(data, dict) else {}
    data.pop("goal_camera", None)  # of checkpoints whose goals had one camera's picture
    kind = data.pop("kind", None)
    if kind not in CONFIGS:
        raise InputError(
            "network's kind", where=where, got=repr(kind), expected=sorted(CONFIGS),
            todo="train it again with this version",
        )  # fmt: skip
    return from_plain(CONFIGS[kind], data, where)


def save_q_function(
    path: Path, q_function: QFunction, training: dict, data_fingerprint: str = ""
) -> str:
    """Writes the folder and gives its fingerprint; `training` is the resolved configuration."""
    return save_folder(
        path,
        KIND,
        q_function.network.state_dict(),
        tasks=q_function.tasks,
        cameras=q_function.cameras,
        settings={"network": network_to_plain(q_function.network.config), "training": training},
        data_fingerprint=data_fingerprint,
        metrics=q_function.metrics,
    )


def load_q_function(
    path: Path,
    tasks: tuple[str, ...] | None = None,
    cameras: dict[str, tuple[int, int]] | None = None,
) -> QFunction:
    """Reads a Q-function; refuses one for other tasks or pictures (`InputError`)."""
    folder = load_folder(path, KIND, tasks=tasks, cameras=cameras)
    settings = folder.config.get("settings", {})
    network = build_network(network_from_plain(settings.get("network"), folder.path))
    load_weights(network, folder)
    network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    goals_alone = settings.get("training", {}).get("batch") == 0
    return QFunction(
        network, folder.tasks, folder.cameras, folder.fingerprint, folder.config["metrics"],
        goals_alone,
    )  # fmt: skip
