"""What a goal-conditioned model is good for afterwards: little data of a task, and all tasks.

Actionable Models (arXiv 2104.07749), section 5: fine-tuning to a task with its own reward, and
reaching goals as an auxiliary objective beside the tasks' rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.actionable.rows import FIRST
from mtopt_bringup.paper.evaluate import evaluate_checkpoint
from mtopt_bringup.paper.train import run_folder, train_until
from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.new_tasks import tasks_as_goal
from mtopt_learning.train.run_folder import (
    CHECKPOINT,
    can_resume,
    load_run,
    resume_or_begin,
)
from mtopt_learning.train.trainer import Trainer
from mtopt_sim.cell import cell_tasks
from mtopt_spec import seeds
from mtopt_spec.interfaces import EndReason

SCRATCH = "scratch"
STARTS = {SCRATCH: "from scratch", FIRST: "from the goal-conditioned model"}
BESIDE = {"tasks": "MT-Opt", "tasks_and_goals": "MT-Opt, goals beside its tasks"}


@dataclass(frozen=True)
class FineTuning:
    """A task learned from some of its own episodes.

    Attributes:
        task: Its name.
        episodes: How many.
        start: One of `STARTS`.
    """

    task: str
    episodes: int
    start: str

    @property
    def name(self) -> str:
        """In files."""
        return f"fine_{self.task}_{self.episodes}_{self.start}"


def fine_tunings(config: GoalsConfig, own: Mapping[str, int]) -> list[FineTuning]:
    """All that are to be done; where a task has fewer episodes than asked for, all of them.

    Args:
        config: Tasks and numbers of episodes.
        own: Task to how many it has.
    """
    return [
        FineTuning(task, episodes, start)
        for task in config.tasks
        for episodes in sorted({min(wanted, own[task]) for wanted in config.episodes} - {0})
        for start in STARTS
    ]


def count_own(data: Path, names: Sequence[str]) -> dict[str, int]:
    """Task to the number of its own episodes that can be learned from."""
    dataset = Dataset.open(data)
    labels = dataset.labels("best")
    return {name: len(own_episodes(dataset, labels, name)) for name in names}


def own_episodes(dataset, labels: np.ndarray, task: str) -> np.ndarray:
    """Indices of the complete, judged episodes that were collected for a task."""
    column = cell_tasks().index_of(task)
    usable = (dataset.episode_task == column) & (dataset.episode_reason != EndReason.FAULT)
    return np.flatnonzero(usable & (dataset.episode_steps > 0) & np.isfinite(labels[:, column]))


def labels_of_some(dataset, task: str, episodes: int, seed: int) -> np.ndarray:
    """The data set's labels, NaN but for so many of a task's own episodes: no data are copied.

    Of one seed the fewer are among the more.
    """
    labels = dataset.labels("best")
    own = seeds.generator(seed, f"own episodes/{task}").permutation(
        own_episodes(dataset, labels, task)
    )
    kept, column = np.full_like(labels, np.nan), cell_tasks().index_of(task)
    kept[own[:episodes], column] = labels[own[:episodes], column]
    return kept


def fine_tune(
    out: Path,
    data: Path,
    config: GoalsConfig,
    what: FineTuning,
    seed: int,
    progress: Callable[[int], None],
) -> dict:
    """Trains the network of the goal-conditioned model on the task alone.

    Q chooses among what a clone of the task's successes proposes, where it chooses among proposals
    to goals; from that model, the task begins as the goal.

    Returns:
        `steps`, `seconds`, `episodes` and `successes` among them.
    """
    folder, tasks = run_folder(out, what.name, seed), cell_tasks()
    settings = replace(
        config.train, tasks=(what.task,), sharing="f_orig", holdout_every=0,
        sampler=replace(config.train.sampler, tasks_per_state=1),
        goals=replace(config.train.goals, batch=0), seed=config.seed + seed,
    )  # fmt: skip
    if can_resume(folder):
        trainer = load_run(folder, tasks)
    else:
        known = load_q_function(run_folder(out, FIRST, seed) / CHECKPOINT, tasks.names)
        start = tasks_as_goal(known.network, tuple((i,) for i in range(len(tasks))))
        trainer = Trainer(tasks, known.cameras, settings, start.config)
        if what.start != SCRATCH:
            trainer.start_from(start)
    dataset = Dataset.open(data)
    trainer.set_data(dataset, labels_of_some(dataset, what.task, what.episodes, config.seed + seed))
    failures, successes = trainer.counts[what.task]
    train_until(trainer, folder, config.fine_tune_steps, progress)
    return {
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "episodes": failures + successes,
        "successes": successes,
    }


def train_beside(
    out: Path,
    data: Path,
    config: GoalsConfig,
    name: str,
    seed: int,
    progress: Callable[[int], None],
) -> dict:
    """Trains all tasks by MT-Opt, at a rate that does not fall, with goals or without.

    Returns:
        `steps`, `seconds`.
    """
    folder, tasks, dataset = run_folder(out, name, seed), cell_tasks(), Dataset.open(data)
    settings = beside_config(config, name, seed)
    trainer = resume_or_begin(folder, tasks, dataset.cameras, settings)
    trainer.set_data(dataset, dataset.labels("best"))
    train_until(trainer, folder, config.beside_steps, progress)
    return {"steps": trainer.step, "seconds": round(trainer.seconds, 1)}


def beside_config(config: GoalsConfig, name: str, seed: int) -> TrainConfig:
    """The trainer's settings of one of `BESIDE`."""
    batch = config.beside_batch if name == "tasks_and_goals" else 0
    goals = replace(config.train.goals, batch=batch)
    return replace(config.train, goals=goals, seed=config.seed + seed)


def measure(
    out: Path,
    config: GoalsConfig,
    name: str,
    names: tuple[str, ...],
    seed: int,
    progress: Callable[[int], None],
) -> dict:
    """The success of a downstream run at these tasks (none: all) in fresh scenes."""
    return evaluate_checkpoint(run_folder(out, name, seed), config, names, True, progress)
