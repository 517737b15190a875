"""Which labels are used where more are known than a task may have.

People's time is the scarce thing: MT-Opt (arXiv 2104.08212, section IV.B) has about 5,000 labels a
task, from successes and near-miss failures *captured in pairs*, so that the background of a picture
cannot tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_learning.qlearn.trunk import STATE_SCALE

UNUSED, TRAIN, VALIDATION = 0, 1, 2
"""Values of a table of used labels, as of `labels.place_used`."""
NEIGHBOURS = 30
"""A partner is looked for among so many failures of the same robot on either side in time."""


@dataclass(frozen=True)
class LabelBudget:
    """How many labels, and how they are chosen.

    Attributes:
        labels_per_task: At most so many a task, those for validation included.
        validation_share: Share of them for calibration and threshold: drawn blindly, from episodes
            that training never sees.
        pair_share: Share of the others that are pairs of a success and a near miss; the rest is
            drawn blindly.
        own_share: Of what is drawn blindly, as far as there are so many, from the episodes that
            were collected for the task: those the label is the reward of, and the hardest ones.
    """

    labels_per_task: int = 5000
    validation_share: float = 0.2
    pair_share: float = 0.5
    own_share: float = 0.5


def choose_labels(
    dataset,
    labels: np.ndarray,
    held: np.ndarray,
    budget: LabelBudget,
    random: np.random.Generator,
    used: np.ndarray | None = None,
) -> np.ndarray:
    """The labels that a detector is made with.

    Args:
        dataset: A `Dataset`.
        labels: (episodes, tasks), NaN unknown.
        held: (episodes,) bool, kept out of training.
        budget: How many.
        random: Draws.
        used: (episodes, tasks) table of those that are used already; they stay.

    Returns:
        (episodes, tasks) int8 `UNUSED`, `TRAIN` or `VALIDATION`.
    """
    table = np.zeros(labels.shape, np.int8) if used is None else used.copy()
    held = np.where((table == TRAIN).any(1), False, held | (table == VALIDATION).any(1))
    for task in range(labels.shape[1]):
        room = budget.labels_per_task - int((table[:, task] > 0).sum())
        free = np.isfinite(labels[:, task]) & (table[:, task] == UNUSED)
        if room <= 0 or not free.any():
            continue
        blind, seen = np.flatnonzero(free & held), np.flatnonzero(free & ~held)
        if len(blind) + len(seen) > room:
            own = dataset.episode_task == task
            wanted = min(round(budget.validation_share * room), len(blind))
            blind = _blindly(blind, wanted, own, budget, random)
            seen = _training(dataset, labels[:, task], seen, room - wanted, own, budget, random)
        table[blind, task], table[seen, task] = VALIDATION, TRAIN
    return table


def _blindly(episodes, count, own, budget, random) -> np.ndarray:
    """`count` of the episodes, whatever their outcome; `own` is (all episodes,) bool."""
    mine, others = episodes[own[episodes]], episodes[~own[episodes]]
    few = min(round(budget.own_share * count), len(mine))
    few = max(few, count - len(others))
    return np.concatenate(
        [random.choice(mine, few, replace=False), random.choice(others, count - few, replace=False)]
    )


def _training(dataset, label, episodes, room, own, budget, random) -> np.ndarray:
    """Pairs as far as there are successes for them, then blindly, at most `room`."""
    if len(episodes) <= room:
        return episodes
    won = label[episodes] >= 0.5
    pairs = near_miss_pairs(
        dataset, episodes[won], episodes[~won], int(budget.pair_share * room / 2), random
    )
    rest = np.setdiff1d(episodes, pairs)
    more = _blindly(rest, min(room - pairs.size, len(rest)), own, budget, random)
    return np.concatenate([pairs.ravel(), more])


def near_miss_pairs(
    dataset, successes: np.ndarray, failures: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Successes, each with a failure that looks like it.

    The partner is of the same robot, collected shortly before or after (the same scene and light),
    and of those the one whose arm and gripper ended most alike: raised and closed, but empty.

    Args:
        dataset: A `Dataset`; a robot's episodes are in the order of time.
        successes: (n,) episodes.
        failures: (m,) episodes.
        count: Pairs wanted; successes are drawn blindly.
        random: Draws.

    Returns:
        (pairs, 2) episodes, at most `count` rows; no episode comes twice.
    """
    end = dataset.state[dataset.last_row(np.arange(dataset.n_episodes))] * np.float32(STATE_SCALE)
    waiting = {robot: np.sort(failures[dataset.robot[failures] == robot])
               for robot in np.unique(dataset.robot[successes])}  # fmt: skip
    taken, pairs = np.zeros(dataset.n_episodes, bool), []
    for success in random.permutation(successes):
        if len(pairs) == count:
            break
        near = waiting[dataset.robot[success]]
        at = int(np.searchsorted(near, success))
        near = near[max(at - NEIGHBOURS, 0) : at + NEIGHBOURS]
        near = near[~taken[near]]
        if len(near):
            apart = np.linalg.norm(end[near] - end[success], axis=1)
            partner = near[int(np.argmin(apart))]
            taken[partner] = True
            pairs.append((success, partner))
    return np.array(pairs, np.int64).reshape(-1, 2)
