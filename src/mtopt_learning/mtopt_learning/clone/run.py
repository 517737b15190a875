"""A clone's training on disk: its checkpoint and its metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.checkpoint.folder import load_folder, load_weights, save_folder
from mtopt_learning.clone.network import CloneNetwork, CloneNetworkConfig
from mtopt_learning.clone.training import CloneConfig, CloneTrainer
from mtopt_learning.train.run_folder import CHECKPOINT, MetricsFile
from mtopt_spec.task import TaskList

KIND = "clone"


def train_clone(
    folder: Path,
    dataset,
    tasks: TaskList,
    config: CloneConfig,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Trains from the start and saves `checkpoint` into the folder.

    Returns:
        `steps`, `seconds`, `parameters`, `examples`: successful episodes a task.
    """
    began_s = time.monotonic()
    trainer = CloneTrainer(dataset, tasks, config)
    trainer.train(MetricsFile(folder), progress)
    save_clone(
        folder / CHECKPOINT, trainer.network, tasks.names, dict(dataset.cameras),
        to_plain(config), dataset.fingerprint,
    )  # fmt: skip
    return {
        "steps": trainer.step,
        "seconds": round(time.monotonic() - began_s, 1),
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "examples": {name: list(counts) for name, counts in trainer.counts.items()},
    }


def save_clone(
    path: Path,
    network: CloneNetwork,
    tasks: tuple[str, ...],
    cameras: dict[str, tuple[int, int]],
    training: dict,
    data_fingerprint: str = "",
) -> str:
    """Writes a checkpoint's folder; gives its fingerprint."""
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    return save_folder(
        path, KIND, weights, tasks=tasks, cameras=cameras,
        settings={"network": to_plain(network.config), "training": training},
        data_fingerprint=data_fingerprint,
    )  # fmt: skip


def load_clone(path: Path, tasks: tuple[str, ...] | None = None):
    """The network of a checkpoint, its tasks, cameras and fingerprint.

    Raises:
        InputError: It is missing, damaged, or for other tasks.
    """
    folder = load_folder(path, KIND, tasks=tasks)
    settings = folder.config.get("settings", {})
    network = CloneNetwork(from_plain(CloneNetworkConfig, settings.get("network"), folder.path))
    load_weights(network, folder)
    network.requires_grad_(False).eval()
    return network, folder.tasks, folder.cameras, folder.fingerprint
