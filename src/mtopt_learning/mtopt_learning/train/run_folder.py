"""A training run on disk: its checkpoint, its metrics, and all that exact resuming needs."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.checkpoint.folder import finish_write, write_folder
from mtopt_learning.checkpoint.q_function import (
    QFunction,
    network_from_plain,
    network_to_plain,
    save_q_function,
)
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.trainer import Trainer, not_finite
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList
from mtopt_spec.whole_file import write_aside

CHECKPOINT = "checkpoint"
TRAINING = "training"
METRICS = "metrics.jsonl"


def save_run(folder: Path, trainer: Trainer, metrics: dict | None = None) -> str:
    """Writes the checkpoint that a policy serves, then the trainer's state beside it.

    In this order: who is killed in between repeats some steps, and writes both again.

    Returns:
        The checkpoint's fingerprint.

    Raises:
        InputError: A weight is not finite; nothing is written.
    """
    folder = Path(folder)
    tensors = {}
    for name, network in _networks(trainer).items():
        tensors.update({f"{name}/{k}": v for k, v in network.state_dict().items()})
    for i, state in trainer.optimizer.state_dict()["state"].items():
        tensors.update({f"adam/{i}/{key}": value for key, value in state.items()})
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise not_finite(name, trainer.step)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "step": trainer.step,
        "seconds": trainer.seconds,
        "tasks": list(trainer.tasks.names),
        "cameras": {name: list(size) for name, size in trainer.cameras.items()},
        "train": to_plain(trainer.config),
        "network": network_to_plain(trainer.online.config),
        "metrics": metrics or {},
    }
    files = {
        "state.safetensors": save_tensors({k: v.cpu().contiguous() for k, v in tensors.items()}),
        "state.json": json.dumps(about, indent=1).encode(),
    }
    learned = trainer.tasks.names if trainer.config.batch else ()
    q_function = QFunction(
        trainer.average, learned, trainer.cameras,
        metrics={"step": trainer.step, **(metrics or {})},
    )  # fmt: skip
    fingerprint = trainer.dataset.fingerprint if trainer.dataset is not None else ""
    saved = save_q_function(folder / CHECKPOINT, q_function, to_plain(trainer.config), fingerprint)
    write_folder(folder / TRAINING, files)
    return saved


def _networks(trainer: Trainer) -> dict[str, torch.nn.Module]:
    found = {
        "online": trainer.online, "average": trainer.copies.average,
        "lagged": trainer.copies.lagged, "lagged_next": trainer.copies.lagged_next,
    }  # fmt: skip
    return {name: network for name, network in found.items() if network is not None}


def can_resume(folder: Path) -> bool:
    """Whether the folder holds a run."""
    path = Path(folder) / TRAINING
    finish_write(path)
    return (path / "state.json").is_file()


def resume_or_begin(
    folder: Path, tasks: TaskList, cameras: dict[str, tuple[int, int]], config: TrainConfig
) -> Trainer:
    """The folder's run, or a new trainer of these settings where there is none."""
    return load_run(folder, tasks) if can_resume(folder) else Trainer(tasks, cameras, config)


def load_run(folder: Path, tasks: TaskList) -> Trainer:
    """The trainer as it was saved; it goes on exactly as it would have, given the same data.

    Args:
        folder: The run.
        tasks: The cell's tasks, which must be the run's.

    Raises:
        InputError: There is no run, it is damaged, or it is of other tasks.
    """
    path = Path(folder) / TRAINING
    finish_write(path)
    try:
        about = json.loads((path / "state.json").read_text())
        tensors = load_tensors((path / "state.safetensors").read_bytes())
        names, cameras = about["tasks"], about["cameras"]
        train = from_plain(TrainConfig, about["train"], path)
        network = network_from_plain(about["network"], path)
        step, seconds = about["step"], about["seconds"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "training run", where=path, got=f"{error!r}", expected="a run that training saved",
            todo="start a new run in another folder",
        ) from error  # fmt: skip
    if tuple(names) != tasks.names:
        raise InputError("run's tasks", where=path, got=names, expected=list(tasks.names))
    sizes = {name: tuple(size) for name, size in cameras.items()}
    trainer = Trainer(tasks, sizes, train, network)
    trainer.step, trainer.seconds = step, seconds
    for name, module in _networks(trainer).items():
        state = {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}/")}
        if state:
            module.load_state_dict(state)
    _load_adam(trainer.optimizer, tensors)
    return trainer


def _load_adam(optimizer: torch.optim.Adam, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam/"):
            _, i, name = key.split("/")
            if value.dim() == 4:  # as the weights lie in memory: the fused optimiser relies on it
                value = value.contiguous(memory_format=torch.channels_last)
            state.setdefault(int(i), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


class MetricsFile:
    """Appends records to a run's metrics.jsonl; call it with a dict."""

    def __init__(self, folder: Path, from_step: int = 0):
        """Opens the file; records after `from_step`, of a part that was lost, are dropped."""
        self._path = Path(folder) / METRICS
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = [r for r in read_metrics(folder) if r.get("step", 0) <= from_step]
        write_aside(self._path, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def __call__(self, record: dict) -> None:
        """Adds one line."""
        with open(self._path, "a") as file:
            file.write(json.dumps(record) + "\n")


def read_metrics(folder: Path) -> list[dict]:
    """A run's records in order; a last line that was cut off is left out."""
    path = Path(folder) / METRICS
    records = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
