"""Measures one run on the new tasks, in the same fresh scenes as every other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtopt_bringup.evaluation import EvaluationConfig, evaluate
from mtopt_bringup.newtask.config import NewCell, NewTaskConfig
from mtopt_bringup.policies import QFUNCTION
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import QFunctionPolicy
from mtopt_sim.cell import cell_tasks


def measure(
    folder: Path,
    config: NewTaskConfig,
    cell: NewCell,
    processes: int,
    progress: Callable[[int], None],
) -> dict:
    """The success of a run's `checkpoint` at each task; see `evaluate`.

    Args:
        folder: The run; finished episodes are kept in it.
        config: How many episodes, which scenes.
        cell: Where, and which tasks.
        processes: See `EvaluationConfig`.
        progress: Told the number of episodes done.
    """
    policy = QFunctionPolicy(tasks=cell_tasks(cell.tasks_file).names)
    fingerprint = policy.load(folder / "checkpoint")
    settings = EvaluationConfig(
        tasks=cell.new, episodes=config.evaluation_episodes, policy=QFUNCTION,
        fingerprint=fingerprint, seed=config.evaluation_seed, robots=config.robots,
        processes=processes, world=cell.world, tasks_file=cell.tasks_file,
    )  # fmt: skip
    mux = PolicyMux({QFUNCTION: policy})
    return evaluate(settings, mux, folder / "evaluation.json", progress)
