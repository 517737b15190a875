"""`mtopt benchmark train`: a gradient step's time, where it goes, and what the data path costs."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtopt_bringup.benchmarks.goal_step import goal_step_cost, seconds_of
from mtopt_bringup.number_types import nonnegative_int, positive_int

_PUBLISHED_PICTURE_PX = (512, 640)
_WARM_STEPS = 10
_ROUNDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--dataset", type=Path, help="a data set; default: one with empty pictures is written"
    )
    parser.add_argument("--network", choices=("small", "published"), default="small")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--distortion", choices=("gain", "published"), default="gain")
    parser.add_argument("--backup", choices=("sarsa", "cem_max"), default="sarsa")
    parser.add_argument(
        "--goals", action="store_true",
        help="time steps that learn goals alone: what pushing down actions that nobody took costs",
    )  # fmt: skip
    parser.add_argument("--batch", type=positive_int, help="states a step")
    parser.add_argument(
        "--threads", type=nonnegative_int, default=0, help="of torch (default: its own)"
    )
    parser.add_argument(
        "--steps", type=positive_int, default=100, help="that each figure is taken from"
    )
    parser.add_argument(
        "--episodes", type=positive_int, default=2000, help="of the data set it writes"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Trains for a few steps: on the data set, and on one batch that is on the device already.

    Both take turns, so that other load on the machine meets both alike.

    Returns:
        `step_ms`, `steps_per_s`: of the whole; `device_ratio`: its rate over that of the same
        network on the batch that is there; `data_share`: what the step waits for draws and
        pictures; `share`: of the step, by phase; `device`, `network`, `batch`, `threads`. With
        `--goals` what `goal_step_cost` gives, in place of the first four.
    """
    import torch

    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.qlearn.distortion import PUBLISHED
    from mtopt_learning.train.config import TrainConfig
    from mtopt_learning.train.devices import choose_device
    from mtopt_learning.train.step_clock import StepClock
    from mtopt_learning.train.trainer import Trainer
    from mtopt_spec.resources import share_dir
    from mtopt_spec.task import load_tasks

    tasks = load_tasks(share_dir() / "params" / "tasks.yaml")
    config = TrainConfig(
        network=arguments.network, device=arguments.device, threads=arguments.threads,
        backup=arguments.backup,
    )  # fmt: skip
    if arguments.distortion == "published":
        config = replace(config, distortion=PUBLISHED)
    if arguments.batch:
        config = replace(config, batch=arguments.batch)
    if arguments.goals:
        config = replace(config, batch=0, goals=replace(config.goals, batch=config.batch))
    steps = -(-arguments.steps // _ROUNDS)
    with tempfile.TemporaryDirectory() as folder, _told_of_pictures(arguments.dataset is not None):
        path = arguments.dataset or _write(Path(folder), tasks.names, arguments)
        dataset = Dataset.open(path)
        if arguments.goals:
            return {
                **goal_step_cost(dataset, tasks, config, steps, _ROUNDS),
                "device": _name(choose_device(config.device)), "network": arguments.network,
                "batch": config.goals.batch, "threads": torch.get_num_threads(),
            }  # fmt: skip
        trainer = Trainer(tasks, dataset.cameras, config)
        clock = StepClock(trainer.device)
        timing = _Switch()
        trainer.phase = timing
        trainer.set_data(dataset)
        there = trainer.batches.ready(0)
        for ready in (None, there):
            seconds_of(trainer, _WARM_STEPS, ready)
        spent = {"data": [], "fixed": [], "phases": []}
        for _ in range(_ROUNDS):
            spent["data"].append(seconds_of(trainer, steps))
            spent["fixed"].append(seconds_of(trainer, steps, there))
            timing.to(clock.phase)
            spent["phases"].append(seconds_of(trainer, steps))
            timing.to(nullcontext)
        trainer.close()
    step_s = float(np.median(spent["data"])) / steps
    timed_s = sum(spent["phases"])
    share = {name: seconds / timed_s for name, seconds in clock.spent_s.items()}
    data = share.pop("data")
    named = sum(share[name] for name in ("targets", "forward", "backward", "optimiser"))
    share["other"] = 1 - data - named
    return {
        "step_ms": 1e3 * step_s,
        "steps_per_s": 1 / step_s,
        "data_share": data,
        "device_ratio": float(np.median(spent["fixed"])) / steps / step_s,
        "share": {name: round(value, 4) for name, value in share.items()},
        "device": _name(trainer.device),
        "network": arguments.network,
        "batch": config.batch,
        "threads": torch.get_num_threads(),
        "pictures_on_device": trainer.store.resident,
    }


@contextmanager
def _told_of_pictures(real: bool) -> Iterator[None]:
    """Lets no warning through that no arm is to be seen in pictures that are empty on purpose."""
    log = logging.getLogger("mtopt_learning.train.self_calibration")
    before = log.level
    log.setLevel(before if real else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class _Switch:
    """Hands phases to a clock, or to nothing."""

    def __init__(self):
        self._make = nullcontext

    def to(self, make) -> None:
        self._make = make

    def __call__(self, name: str):
        return self._make(name)


def _write(folder: Path, names: tuple[str, ...], arguments) -> Path:
    from mtopt_bringup.benchmarks.synthetic_dataset import write_synthetic
    from mtopt_spec.observation import DEFAULT_IMAGE_SIZES

    sizes = dict(DEFAULT_IMAGE_SIZES)
    if arguments.network == "published":
        sizes = {next(iter(sizes)): _PUBLISHED_PICTURE_PX}
    write_synthetic(folder / "data", names, arguments.episodes, image_sizes=sizes)
    return folder / "data"


def _name(device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
