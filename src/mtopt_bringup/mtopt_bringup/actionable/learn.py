"""Trains one row on goals alone; goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.actionable.rows import Row
from mtopt_bringup.paper.train import run_folder, train_until
from mtopt_learning.clone.run import train_clone
from mtopt_learning.clone.training import CloneConfig
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.run_folder import read_metrics, resume_or_begin
from mtopt_sim.cell import cell_tasks

FIGURES = ("goal_loss", "negative_loss", "q_hindsight", "q_chained")


def train_row(
    out: Path, data: Path, config: GoalsConfig, row: Row, seed: int, progress: Callable[[int], None]
) -> dict:
    """All steps of a row; saved now and then.

    Returns:
        `steps`, `seconds` of training, `parameters`; of a Q-function its last `figures`.
    """
    folder, tasks = run_folder(out, row.name, seed), cell_tasks()
    settings = replace(row.train_config(config, seed), decay_steps=config.steps)
    dataset = Dataset.open(data)
    if row.clone:
        clone = CloneConfig(
            steps=config.steps, batch=config.goal_batch, goals=True, every_way=row.every_way,
            decay_steps=config.steps, distortion=settings.distortion, device=settings.device,
            bf16=settings.bf16, threads=settings.threads, seed=settings.seed,
        )  # fmt: skip
        found = train_clone(folder, dataset, tasks, clone, progress)
        return {key: found[key] for key in ("steps", "seconds", "parameters")}
    trainer = resume_or_begin(folder, tasks, dataset.cameras, settings)
    trainer.set_data(dataset)
    train_until(trainer, folder, config.steps, progress)
    last = read_metrics(folder)[-1]
    return {
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "parameters": sum(p.numel() for p in trainer.online.parameters()),
        "figures": {key: last[key] for key in FIGURES if key in last},
    }
