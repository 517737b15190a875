"""Where in an episode the gripper decides its outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_spec.observation import GRIPPER_CLOSED

CLOSE_COLUMN, OPEN_COLUMN = 5, 6
"""Of the recorded action vectors."""
_BLOCK_ROWS = 1 << 18


def deciding_rows(dataset, episodes: np.ndarray, column: int = CLOSE_COLUMN) -> np.ndarray:
    """(n,) the row of each episode at which the gripper was first told to close (or open).

    -1 where it never was.
    """
    out = np.full(len(episodes), -1, np.int64)
    for i, episode in enumerate(episodes):
        start, steps = dataset.episode_start[episode], dataset.episode_steps[episode]
        hits = np.flatnonzero(dataset.action[start : start + steps, column] > 0.5)
        if len(hits):
            out[i] = start + hits[0]
    return out


@dataclass(frozen=True)
class GripperChanges:
    """Where in each episode the gripper changes.

    Attributes:
        next_row: (observations,) int64 of `next_gripper_row`.
        first_row, last_row: (episodes,) int64; -1 where it never does.
        first_step: (episodes,) int64: `first_row`, counted from the episode's beginning.
    """

    next_row: np.ndarray
    first_row: np.ndarray
    last_row: np.ndarray
    first_step: np.ndarray

    @classmethod
    def of(cls, dataset) -> GripperChanges:
        """Those of a data set."""
        return cls.at(next_gripper_row(dataset), dataset.episode_start)

    @classmethod
    def at(cls, next_row: np.ndarray, episode_start: np.ndarray) -> GripperChanges:
        """Those of `next_gripper_row`."""
        first = next_row[episode_start]
        last = np.maximum.reduceat(next_row, episode_start)
        return cls(next_row, first, last, np.where(first < 0, -1, first - episode_start))


def next_gripper_row(dataset) -> np.ndarray:
    """(observations,) int64: where the gripper changes next, from each row on; -1 for nowhere.

    There the action closes an open gripper or opens a closed one; episodes end the search.
    """
    found = [np.empty(0, np.int64)]
    for first in range(0, len(dataset.action), _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        flags = dataset.action[block, CLOSE_COLUMN : OPEN_COLUMN + 1] > 0.5
        closed = dataset.state[block, GRIPPER_CLOSED] > 0.5
        changes = np.where(closed, flags[:, 1], flags[:, 0]) & ~dataset.is_last[block]
        found.append(first + np.flatnonzero(changes))
    rows = np.concatenate(found)
    at = np.searchsorted(rows, np.arange(len(dataset.action)))
    following = np.append(rows, len(dataset.action))[at]
    end = dataset.episode_start + dataset.episode_steps
    return np.where(following <= end[dataset.obs_episode], following, -1)
