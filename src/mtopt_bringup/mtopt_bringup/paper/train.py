"""Trains one row of the tables; goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.paper.arms import Arm
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.d3rlpy_peer import train_peer
from mtopt_learning.clone.run import train_clone
from mtopt_learning.clone.training import CloneConfig
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.run_folder import (
    MetricsFile,
    read_metrics,
    resume_or_begin,
    save_run,
)
from mtopt_learning.train.trainer import Trainer
from mtopt_sim.cell import cell_tasks

SAVE_EVERY_S = 60.0
LOG_EVERY = 100


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Where a training of a seed lies."""
    return out / "runs" / f"{name}_{seed}"


def train_arm(
    out: Path, config: PaperConfig, arm: Arm, seed: int, progress: Callable[[int], None]
) -> dict:
    """All steps of a row; saved now and then.

    Returns:
        `steps`, `seconds` of training, `parameters`, `closing_auc`.
    """
    folder, tasks = run_folder(out, arm.name, seed), cell_tasks()
    dataset = Dataset.open(out / "data")
    settings = arm.train_config(config.train, config.seed + seed)
    settings = replace(settings, decay_steps=config.steps)  # so rounds go on at the last rate
    if arm.learner != "q":
        clone = CloneConfig(
            steps=config.steps, batch=settings.batch, sharing=arm.sharing, balance=arm.balance,
            distortion=settings.distortion, device=settings.device, bf16=settings.bf16,
            threads=settings.threads, seed=settings.seed,
        )  # fmt: skip
        learn = train_clone if arm.learner == "clone" else train_peer
        return learn(folder, dataset, tasks, clone, progress)
    trainer = resume_or_begin(folder, tasks, dataset.cameras, settings)
    trainer.set_data(dataset, dataset.labels("best"))
    train_until(trainer, folder, config.steps, progress)
    last = read_metrics(folder)[-1]
    return {
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "parameters": sum(p.numel() for p in trainer.online.parameters()),
        "closing_auc": last.get("closing_auc", {}),
        "examples": {name: list(counts) for name, counts in trainer.counts.items()},
    }


def train_until(
    trainer: Trainer, folder: Path, steps: int, progress: Callable[[int], None], done: int = 0
) -> None:
    """Trains up to a step; saved now and then.

    Args:
        trainer: With data.
        folder: Of the run.
        steps: Of the trainer, at the end.
        progress: Told the gradient steps after `done`.
        done: Step at which the run began.
    """
    write = MetricsFile(folder, trainer.step)
    while trainer.step < steps:
        before = trainer.step
        trainer.train(
            steps - before, SAVE_EVERY_S, write, LOG_EVERY,
            progress=lambda now, before=before: progress(before + now - done),
        )  # fmt: skip
        save_run(folder, trainer)
    trainer.close()
