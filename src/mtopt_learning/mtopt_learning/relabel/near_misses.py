"""States that look like a goal and are none: what *terminate* is not to be chosen in."""

from __future__ import annotations

import numpy as np

from mtopt_spec.observation import GRIPPER_CLOSED, GRIPPER_OPENING, TOOL_XYZ

POOL = 512
NEAR_M = 0.15
OTHER_OPENING = 0.06
"""Of the largest opening: two closed grippers that far apart do not hold the same."""


class NearMisses:
    """Draws a near miss for each goal.

    Args:
        dataset: A `Dataset`.
        episodes: (n,) int64 those that can be drawn.
        neighbours: (n, k) int64 of `neighbouring_episodes`, of these.
    """

    def __init__(self, dataset, episodes: np.ndarray, neighbours: np.ndarray):
        self._episodes, self._neighbours = episodes, neighbours
        self._episode_of, self._state = dataset.obs_episode, dataset.state
        self._start = dataset.episode_start[episodes].astype(np.int64)
        self._steps = dataset.episode_steps[episodes].astype(np.int64)

    def draw(self, goal_row: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """(n,) rows of states that look like those of (n,) goals' rows.

        Where a goal's gripper is closed, of the states of its own and the neighbouring episodes
        in which it is closed, too, but opened by `OTHER_OPENING` more or less: empty, say, or
        around another object. Where there is none within `NEAR_M`, of `POOL` last states of other
        episodes, the gripper told the same. Always the one whose tool is nearest to the goal's:
        what tells them apart is not the arm.
        """
        row, apart = self._holds_another(goal_row)
        return np.where(apart < NEAR_M, row, self._ends_elsewhere(goal_row, random))

    def _holds_another(self, goal_row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) rows of near misses of the goals' own scenes, and how far the tools are apart, m."""
        episode = np.searchsorted(self._episodes, self._episode_of[goal_row])
        near = np.concatenate([self._neighbours[episode], episode[:, None]], 1)
        step = np.arange(self._steps.max() + 1)
        there = (near >= 0)[..., None] & (step <= self._steps[near][..., None])
        row = np.where(there, self._start[near][..., None] + step, 0)
        row = row.reshape(len(near), near.shape[1] * len(step))
        state, goal = self._state[row], self._state[goal_row][:, None]
        another = there.reshape(row.shape)
        another &= (state[..., GRIPPER_CLOSED] > 0.5) & (goal[..., GRIPPER_CLOSED] > 0.5)
        difference = state - goal
        another &= np.abs(difference[..., GRIPPER_OPENING]) > OTHER_OPENING
        apart = np.where(another, np.linalg.norm(difference[..., TOOL_XYZ], axis=-1), np.inf)
        every, best = np.arange(len(row)), apart.argmin(1)
        return row[every, best], apart[every, best]

    def _ends_elsewhere(self, goal_row: np.ndarray, random: np.random.Generator) -> np.ndarray:
        pool = random.integers(len(self._episodes), size=POOL)
        last = self._start[pool] + self._steps[pool]
        seen, wanted = self._place(last), self._place(goal_row)
        apart = ((seen[None] - wanted[:, None]) ** 2).sum(-1)
        own = self._episode_of[goal_row][:, None] == self._episodes[pool][None]
        return last[np.where(own, np.inf, apart).argmin(1)]

    def _place(self, row: np.ndarray) -> np.ndarray:
        """(n, 4) tool x, y, z in m, and how the gripper was told, as far apart as a metre."""
        state = self._state[row]
        return np.concatenate([state[:, TOOL_XYZ], state[:, [GRIPPER_CLOSED]]], 1)
