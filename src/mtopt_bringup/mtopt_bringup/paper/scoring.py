"""Numbers of the tables: seeds put together, means, floors, and which row is above which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_learning.evaluate.scores import score_tasks
from mtopt_sim.scene_draw import OBJECTS_IN_SCENE

COMMON = ("lift-any", "place-any")
"""Tasks with much data; the others are the rare ones."""


def pooled(scores: Sequence[dict]) -> dict:
    """Several seeds of one row as one: attempts and successes added up.

    Returns:
        As `score_tasks`, with `means`: each seed's mean.
    """
    counts = {
        name: (
            sum(score["tasks"][name]["attempts"] for score in scores),
            sum(score["tasks"][name]["successes"] for score in scores),
        )
        for name in scores[0]["tasks"]
    }
    return {**score_tasks(counts), "means": [score["mean"] for score in scores]}


def rate(row: Mapping) -> float:
    """Successes of attempts."""
    return row["successes"] / row["attempts"]


def interval_text(row: Mapping) -> str:
    """`0.10 to 0.35`."""
    return f"{row['low']:.2f} to {row['high']:.2f}"


def group_mean(score: dict, names: Sequence[str]) -> float:
    """Mean success over tasks, each alike; NaN where one is missing or there are none."""
    if not names or any(name not in score["tasks"] for name in names):
        return float("nan")
    return float(np.mean([rate(score["tasks"][name]) for name in names]))


def rare(score: dict, skill: str = "") -> tuple[str, ...]:
    """The row's tasks with little data; of one skill: those whose name begins with it."""
    return tuple(n for n in score["tasks"] if n not in COMMON and n.startswith(skill))


def chance_floor(score: dict) -> float:
    """What a policy that lifts as well but does not know which object gets on a rare lift.

    One of the objects in a scene is the wanted one.
    """
    return rate(score["tasks"]["lift-any"]) / OBJECTS_IN_SCENE


@dataclass(frozen=True)
class Ordering:
    """One claim of the paper about two rows, and what was found.

    Attributes:
        claim: In words.
        paper: Its figures.
        high, low: Successes and attempts of what should be above, and below.
    """

    claim: str
    paper: str
    high: tuple[int, int]
    low: tuple[int, int]

    @property
    def verdict(self) -> str:
        """`as published`, `not told apart` (the intervals overlap), or `differs`."""
        (good_h, all_h), (good_l, all_l) = self.high, self.low
        low_h, high_h = wilson_interval(good_h, all_h)
        low_l, high_l = wilson_interval(good_l, all_l)
        if low_h > high_l:
            return "as published"
        return "differs" if high_h < low_l else "not told apart"

    @property
    def figures(self) -> str:
        """`0.31 against 0.12`."""
        return f"{self.high[0] / self.high[1]:.2f} against {self.low[0] / self.low[1]:.2f}"


def orderings(scores: Mapping[str, dict]) -> list[Ordering]:
    """The paper's claims about rows that are there."""
    wanted = (
        ("rare tasks: MT-Opt above naive multi-task", ".53 against .20", "mt_opt", "naive", ""),
        ("rare lifts: MT-Opt above naive multi-task", ".48 against .17", "mt_opt", "naive", "lift"),
        ("rare tasks: re-balancing alone above neither", ".42 against .18", "orig_rebalanced",
         "naive", ""),
        ("rare tasks: sharing by skill above own data, both re-balanced", ".50 against .42",
         "mt_opt", "orig_rebalanced", ""),
        ("all tasks: naive above sharing everything without re-balancing", ".32 against .21",
         "naive", "share_all_once", "all"),
        ("all tasks: MT-Opt above sharing everything without re-balancing", ".58 against .21",
         "mt_opt", "share_all_once", "all"),
        ("lift-any: twelve tasks above two", ".89 against .82", "mt_opt", "two_tasks", "lift-any"),
        ("place-any: twelve tasks above two", ".85 against .63", "mt_opt", "two_tasks",
         "place-any"),
        ("lift-sausage: MT-Opt above single task", ".38 against .02", "mt_opt",
         "single_lift_sausage", "lift-sausage"),
        ("lift-carrot: MT-Opt not above single task", ".71 against .70", "single_lift_carrot",
         "mt_opt", "lift-carrot"),
    )  # fmt: skip
    out = []
    for claim, paper, high, low, which in wanted:
        if high in scores and low in scores:
            found = [_counts(scores[name], which) for name in (high, low)]
            if all(attempts for _, attempts in found):
                out.append(Ordering(claim, paper, *found))
    return out


def _counts(score: dict, which: str) -> tuple[int, int]:
    """Successes and attempts: all tasks, the rare ones (of a skill), or one task."""
    if which in score["tasks"]:
        names = (which,)
    else:
        names = tuple(score["tasks"]) if which == "all" else rare(score, which)
    rows = [score["tasks"][name] for name in names]
    return sum(row["successes"] for row in rows), sum(row["attempts"] for row in rows)
