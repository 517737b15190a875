"""The goals that every row is to reach: of objects in the data, and of others."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.actionable.config import GoalsConfig
from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate
from mtopt_bringup.progress import episode_bar
from mtopt_spec.goal import KINDS
from mtopt_spec.resources import share_dir

GOAL_SETS = {"known": "bin_cell.sdf", "unseen": "unseen_cell.sdf"}
"""Goal set to its world's file: the second one's objects are in no training episode."""


def goals_folder(out: Path, goal_set: str) -> Path:
    """Where a goal set lies."""
    return out / "goals" / goal_set


def make_goals(out: Path, config: GoalsConfig, goal_set: str) -> dict:
    """Shows the goals of a set.

    Returns:
        `fingerprint`, `world`, `counts` of each kind, and what `demonstrate` says about it.
    """
    world = share_dir() / "worlds" / GOAL_SETS[goal_set]
    settings = DemonstrationConfig(goals=config.goals, seed=config.goal_seed, world=world)
    with episode_bar(len(KINDS) * config.goals) as bar:
        goals = demonstrate(settings, bar.update)
    goals.write(goals_folder(out, goal_set))
    return {
        "fingerprint": goals.fingerprint,
        "world": goals.world,
        "counts": goals.counts(),
        **goals.about,
    }
