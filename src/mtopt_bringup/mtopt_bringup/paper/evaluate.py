"""Measures one row of the tables in fresh scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mtopt_bringup.evaluation import EvaluationConfig, evaluate
from mtopt_bringup.paper.arms import Arm
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.train import run_folder
from mtopt_bringup.policies import QFUNCTION
from mtopt_learning.clone.policy import ClonePolicy
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import QFunctionPolicy
from mtopt_sim.cell import cell_tasks


class Sizes(Protocol):
    """What of an experiment's sizes counts here."""

    evaluation_episodes: int
    evaluation_seed: int
    robots: int


def evaluate_arm(
    out: Path, config: PaperConfig, arm: Arm, seed: int, progress: Callable[[int], None]
) -> dict:
    """The success of each task that a row learned; see `evaluate`."""
    return evaluate_checkpoint(
        run_folder(out, arm.name, seed), config, arm.tasks, arm.learner == "q", progress
    )


def evaluate_checkpoint(
    folder: Path,
    config: Sizes,
    names: tuple[str, ...],
    q_function: bool,
    progress: Callable[[int], None],
    processes: int = 1,
    world: Path | None = None,
    tasks_file: Path | None = None,
) -> dict:
    """Measures the `checkpoint` in a run's folder.

    Args:
        folder: The run; finished episodes are kept in it.
        config: How many episodes, which scenes.
        names: Tasks; none: all.
        q_function: Whether it is a Q-function; else it is a clone.
        progress: Told the number of episodes done.
        processes: See `EvaluationConfig`, as of the next two.
        world: Of the cell.
        tasks_file: Of the cell.
    """
    tasks = cell_tasks(tasks_file)
    policy = QFunctionPolicy(tasks=tasks.names) if q_function else ClonePolicy(tasks=tasks.names)
    fingerprint = policy.load(folder / "checkpoint")
    settings = EvaluationConfig(
        tasks=names or tasks.names, episodes=config.evaluation_episodes, policy=QFUNCTION,
        fingerprint=fingerprint, seed=config.evaluation_seed, robots=config.robots,
        processes=processes, world=world, tasks_file=tasks_file,
    )  # fmt: skip
    mux = PolicyMux({QFUNCTION: policy})
    return evaluate(settings, mux, folder / "evaluation.json", progress)
