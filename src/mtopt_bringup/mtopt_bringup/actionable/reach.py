"""Measures who reaches the goals of a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.actionable.goal_sets import goals_folder
from mtopt_bringup.actionable.rows import Row
from mtopt_bringup.goalset.goal_set import read_goal_set
from mtopt_bringup.goalset.reached import write_reached
from mtopt_bringup.goalset.reaching import ReachConfig, evaluate_goals
from mtopt_bringup.paper.train import run_folder
from mtopt_bringup.policies import QFUNCTION
from mtopt_learning.clone.policy import ClonePolicy
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import QFunctionPolicy
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_sim.cell import cell_tasks


def reached_folder(out: Path, row: Row, seed: int, goal_set: str) -> Path:
    """Where last pictures and results of each goal lie."""
    return run_folder(out, row.name, seed) / f"reached_{goal_set}"


def reach(
    out: Path,
    config: GoalsConfig,
    row: Row,
    seed: int,
    goal_set: str,
    progress: Callable[[int], None],
) -> dict:
    """Lets a row's checkpoint reach the goals; those that are done are kept in its run's folder.

    Returns:
        `kinds` and `mean` of `evaluate_goals`; `distances_m`: kind to the distance at the end of
        each goal that was tried; `unprepared`, `other_starts` and `failed_by_fault` as numbers.
    """
    names, folder = cell_tasks().names, reached_folder(out, row, seed, goal_set)
    policy = ClonePolicy(tasks=names) if row.clone else QFunctionPolicy(tasks=names)
    fingerprint = policy.load(run_folder(out, row.name, seed) / CHECKPOINT)
    goals = read_goal_set(goals_folder(out, goal_set))
    settings = ReachConfig(QFUNCTION, fingerprint, config.max_steps, config.robots, processes=1)
    mux = PolicyMux({QFUNCTION: policy})
    result = evaluate_goals(goals, mux, settings, folder, progress)
    write_reached(folder, goals, result)
    return {
        "kinds": result["kinds"],
        "mean": result["mean"],
        "distances_m": {
            kind: [round(g["distance_m"], 4) for g in result["goals"] if _measured(g, kind)]
            for kind in result["kinds"]
        },
        "unprepared": len(result["unprepared"]),
        "other_starts": len(result["other_starts"]),
        "failed_by_fault": result["failed_by_fault"],
    }


def _measured(goal: dict, kind: str) -> bool:
    return goal["kind"] == kind and goal["distance_m"] == goal["distance_m"]
