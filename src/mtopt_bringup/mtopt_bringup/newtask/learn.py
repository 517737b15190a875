"""What is trained: the fine-tuned run's start, and the controls."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtopt_bringup.newtask.base import Base
from mtopt_bringup.newtask.config import NewTaskConfig
from mtopt_bringup.paper.train import train_until
from mtopt_bringup.stages import copy_folder
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.new_tasks import with_new_tasks
from mtopt_learning.train.run_folder import can_resume, load_run, save_run
from mtopt_learning.train.trainer import Trainer
from mtopt_sim.cell import cell_tasks
from mtopt_spec.task import TaskList

START, FINE_TUNED = "start", "fine_tuned"
CONTROLS = {"control": "new data alone, from scratch", "no_old_data": "fine-tuned without old data"}
"""Run to what it is."""


def begin(out: Path, base: Base, tasks: TaskList, seed: int) -> dict:
    """Copies the base's data set and makes its run one of all tasks: `data/`, `runs/`.

    Returns:
        `step` of the run, `old_episodes`.
    """
    data = out / "data"
    copy_folder(base.data, data)
    build_dataset([], data, tasks.names)
    fail_old_episodes(Dataset.open(data), base)
    trainer = load_run(base.run, base.known)
    trainer.set_config(_settings(trainer.config, len(os.sched_getaffinity(0)), seed))
    save_run(out / "runs" / START, with_new_tasks(trainer, tasks, base.parents))
    copy_folder(out / "runs" / START, out / "runs" / FINE_TUNED)
    return {"step": trainer.step, "old_episodes": base.episodes}


def fail_old_episodes(dataset: Dataset, base: Base) -> None:
    """Labels every episode as a failure of the new tasks: none of them has their object.

    It is what a person would say, and it is what lets the old episodes impersonate failures.
    """
    labels = dataset.labels("simulator")
    labels[:, [dataset.tasks.index(name) for name in base.new.names]] = 0.0
    about = {"new_tasks": list(base.new.names), "why": "no object of theirs in these episodes"}
    dataset.write_labels("simulator", np.clip(labels, 0.0, 1.0), about)


def train_control(
    out: Path, kind: str, tasks_file: Path, config: NewTaskConfig, progress: Callable[[int], None]
) -> dict:
    """As many gradient steps as fine-tuning took, on the new data alone.

    From the start they have the rounds' learning rates, from scratch one that falls from where a
    run begins.

    Args:
        out: Folder of the experiment, with `new_data/`.
        kind: One of `CONTROLS`.
        tasks_file: All tasks.
        config: Sizes, rates and seed.
        progress: Told the steps done.
    """
    tasks, folder = cell_tasks(tasks_file), out / "runs" / kind
    dataset = Dataset.open(out / "new_data")
    start = load_run(out / "runs" / START, tasks)
    scratch, steps = kind == "control", config.rounds * config.steps
    begun = 0 if scratch else start.step
    if can_resume(folder):
        trainer = load_run(folder, tasks)
    else:
        settings = _settings(start.config, 1, config.seed)
        trainer = Trainer(tasks, start.cameras, settings, start.online.config) if scratch else start
        trainer.set_config(settings)
    trainer.set_data(dataset, dataset.labels("best"))
    for number in range(1, config.rounds + 1):
        rate, decay_steps = config.round_rate(number), 0
        if scratch:
            rate, decay_steps = TrainConfig.learning_rate, steps
        settings = replace(trainer.config, learning_rate=rate, decay_steps=decay_steps)
        trainer.set_config(settings)
        train_until(trainer, folder, begun + number * config.steps, progress, begun)
    return {"steps": trainer.step - begun, "seconds": round(trainer.seconds, 1)}


def build_new_data(out: Path, tasks: TaskList) -> dict:
    """A data set of the new episodes alone: `new_data/`."""
    return build_dataset(find_bags([out / "bags"]), out / "new_data", tasks.names)


def _settings(config: TrainConfig, threads: int, seed: int) -> TrainConfig:
    sampler = replace(config.sampler, recent_share=0.0)
    return replace(config, tasks=(), sampler=sampler, threads=threads, seed=seed)
