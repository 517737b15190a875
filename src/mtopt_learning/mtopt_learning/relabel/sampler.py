"""Draws batches of steps: re-balanced over tasks and outcomes, or as the data comes.

MT-Opt (arXiv 2104.08212), section V: every batch holds the same amount for every task and, within
a task, a constant share of successes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_spec.errors import InputError

BALANCES = ("rebalanced", "uniform")


@dataclass(frozen=True)
class SamplerConfig:
    """How a batch is made up.

    Attributes:
        balance: `rebalanced`, or `uniform` over all steps of all pairs of episode and task.
        success_share: Share of steps from successful episodes, each task (rebalanced only).
        tasks_per_state: Tasks that each drawn state is used for: its own and others that its
            episode counts for.
        deciding_share: Of the drawn steps, this share are those at which their episode's gripper
            first closed or opened, over and above their turn: there the outcome is decided.
        recent_share: Of the drawn episodes, this share comes from the newest ones.
        recent_episodes: How many count as newest.
    """

    balance: str = "rebalanced"
    success_share: float = 0.4
    tasks_per_state: int = 1
    deciding_share: float = 0.15
    recent_share: float = 0.0
    recent_episodes: int = 2000


@dataclass(frozen=True)
class Draw:
    """A batch as indices.

    Attributes:
        episode: (n,) int64.
        step: (n,) int64, 0 to the episode's steps - 1.
        task: (n, tasks_per_state) int64.
        success: (n, tasks_per_state) float32 label of the episode for the task.
        weight: (n, tasks_per_state) float32; 0 where a state has fewer tasks.
    """

    episode: np.ndarray
    step: np.ndarray
    task: np.ndarray
    success: np.ndarray
    weight: np.ndarray


class StepSampler:
    """Draws from the index that `impersonate` gives.

    Args:
        index: (episodes, tasks) success, NaN where an episode is no data of a task.
        steps: (episodes,) number of steps, each 1 or more for an episode to be drawn.
        config: How a batch is made up.
        task_weight: (tasks,) relative amount of each task; tasks without data get none.
        deciding_step: (episodes,) step at which the gripper first closed or opened; -1 for none.
    """

    def __init__(
        self,
        index: np.ndarray,
        steps: np.ndarray,
        config: SamplerConfig,
        task_weight: np.ndarray | None = None,
        deciding_step: np.ndarray | None = None,
    ):
        if config.balance not in BALANCES:
            raise InputError(
                "balance", where="sampler", got=repr(config.balance), expected=BALANCES
            )
        self._index, self._steps, self._config = index, np.asarray(steps), config
        self._deciding_step = deciding_step
        known = np.isfinite(index) & (self._steps > 0)[:, None]
        weight = np.ones(index.shape[1]) if task_weight is None else np.asarray(task_weight, float)
        known &= weight > 0
        self._known = known
        self._most_tasks = int(known.sum(1).max(initial=1))
        self._pools: list[tuple[np.ndarray, np.ndarray]] = []
        for task in range(index.shape[1]):
            with np.errstate(invalid="ignore"):
                good = np.flatnonzero(known[:, task] & (index[:, task] >= 0.5))
                bad = np.flatnonzero(known[:, task] & (index[:, task] < 0.5))
            self._pools.append((bad, good))
        amount = weight * [bool(len(bad) + len(good)) for bad, good in self._pools]
        if amount.sum() <= 0:
            raise InputError(
                "data", where="sampler", got="no labelled episode of the wanted tasks",
                expected="at least one", todo="collect more, or label the episodes",
            )  # fmt: skip
        self._task_chance = amount / amount.sum()
        pair_episode, pair_task = np.nonzero(known)
        self._pair = (pair_episode, pair_task)
        mass = self._steps[pair_episode].astype(float)
        self._pair_edges = np.cumsum(mass)

    @property
    def counts(self) -> np.ndarray:
        """(tasks, 2) int64: failed and successful episodes that count for each task."""
        return np.array([[len(bad), len(good)] for bad, good in self._pools])

    def draw(self, count: int, random: np.random.Generator) -> Draw:
        """`count` states and the tasks that each is used for."""
        if self._config.balance == "uniform":
            at = np.searchsorted(
                self._pair_edges, random.random(count) * self._pair_edges[-1], side="right"
            )
            episode, task = self._pair[0][at], self._pair[1][at]
        else:
            task = random.choice(len(self._task_chance), size=count, p=self._task_chance)
            good = random.random(count) < self._config.success_share
            episode = self._draw_episodes(task, good, random)
        step = (random.random(count) * self._steps[episode]).astype(np.int64)
        if self._deciding_step is not None:
            deciding = random.random(count) < self._config.deciding_share
            deciding &= self._deciding_step[episode] >= 0
            step[deciding] = self._deciding_step[episode[deciding]]
        tasks, weight = self._other_tasks(episode, task, random)
        success = np.nan_to_num(self._index[episode[:, None], tasks])
        return Draw(episode, step, tasks, success, self._balance(tasks, success, weight))

    def _draw_episodes(self, task, good, random) -> np.ndarray:
        """One episode a (task, outcome); of the other outcome where a task has none of one."""
        episode = np.empty(len(task), np.int64)
        newest = len(self._steps) - self._config.recent_episodes
        for t in np.unique(task):
            bad_pool, good_pool = self._pools[t]
            of_task = task == t
            wants_good = good & of_task if len(good_pool) else np.zeros_like(good)
            if not len(bad_pool):
                wants_good = of_task
            for pool, rows in ((good_pool, wants_good), (bad_pool, of_task & ~wants_good)):
                n = int(rows.sum())
                if n:
                    low = np.zeros(n, np.int64)
                    first_new = int(np.searchsorted(pool, newest))
                    if 0 < first_new < len(pool):
                        low[random.random(n) < self._config.recent_share] = first_new
                    episode[rows] = pool[random.integers(low, len(pool), n)]
        return episode

    def _other_tasks(self, episode, task, random):
        """(n, k) tasks, the drawn one first, then others of its episode; and whether they count."""
        others = min(self._config.tasks_per_state, self._most_tasks) - 1
        if others <= 0:
            return task[:, None], np.ones((len(task), 1), np.float32)
        chance = random.random((len(task), self._known.shape[1]))
        chance[~self._known[episode]] = -1.0
        chance[np.arange(len(task)), task] = -1.0
        more = np.argsort(-chance, axis=1)[:, :others]
        weight = (np.take_along_axis(chance, more, 1) >= 0).astype(np.float32)
        return (
            np.concatenate([task[:, None], more], 1),
            np.concatenate([np.ones((len(task), 1), np.float32), weight], 1),
        )

    def _balance(self, tasks, success, weight) -> np.ndarray:
        """Weights that give successes their share in each task of the batch again.

        The further tasks of a state mostly fail; without this they would undo the balance.
        """
        if self._config.balance == "uniform" or tasks.shape[1] == 1:
            return weight
        size = self._known.shape[1]
        good = success >= 0.5
        n_good = np.bincount(tasks[good], weight[good], size)
        n_bad = np.bincount(tasks[~good], weight[~good], size)
        share, total = self._config.success_share, n_good + n_bad
        for_good = np.clip(share * total / np.maximum(n_good, 1), 0.25, 4.0)
        for_bad = np.clip((1 - share) * total / np.maximum(n_bad, 1), 0.25, 4.0)
        return (weight * np.where(good, for_good[tasks], for_bad[tasks])).astype(np.float32)


def describe(draw: Draw, names: tuple[str, ...]) -> dict[str, tuple[int, float]]:
    """What a batch held: task to (entries, share of successes by weight)."""
    out = {}
    for task, name in enumerate(names):
        mine = (draw.task == task) & (draw.weight > 0)
        if mine.any():
            weight = draw.weight[mine]
            out[name] = (int(mine.sum()), float((draw.success[mine] * weight).sum() / weight.sum()))
    return out
