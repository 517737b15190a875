"""Draws batches of steps: re-balanced over tasks and outcomes, or as the data comes.

MT-Opt (arXiv 2104.08212), section V: every batch holds the same amount for every task and, within
a task, a constant share of successes. A draw costs the same whatever the number of episodes.
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
        recent_share: Of the drawn episodes, this share comes from the newest ones (rebalanced
            only).
        recent_episodes: How many count as newest.
    """

    balance: str = "rebalanced"
    success_share: float = 0.4
    tasks_per_state: int = 1
    deciding_share: float = 0.15
    recent_share: float = 0.0
    recent_episodes: int = 2000

    def __post_init__(self):
        if self.balance not in BALANCES:
            raise InputError("balance", where="sampler", got=repr(self.balance), expected=BALANCES)
        for name in ("success_share", "deciding_share", "recent_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    name, where="sampler", got=getattr(self, name), expected="in [0, 1]"
                )


@dataclass(frozen=True)
class Draw:
    """A batch as indices.

    Attributes:
        episode: (n,) int64.
        step: (n,) int64, 0 to the episode's steps - 1.
        task: (n, tasks_per_state) int64.
        success: (n, tasks_per_state) float32 label of the episode for the task.
        weight: (n, tasks_per_state) float32; 0 where a state has fewer tasks.
        other: (n, tasks_per_state) bool: the episode was collected for another task.
        recent: (n,) bool: it is one of the newest.
    """

    episode: np.ndarray
    step: np.ndarray
    task: np.ndarray
    success: np.ndarray
    weight: np.ndarray
    other: np.ndarray
    recent: np.ndarray


class StepSampler:
    """Draws from the index that `impersonate` gives.

    Args:
        index: (episodes, tasks) success, NaN where an episode is no data of a task.
        steps: (episodes,) number of steps, each 1 or more for an episode to be drawn.
        config: How a batch is made up.
        task_weight: (tasks,) relative amount of each task; tasks without data get none.
        deciding_step: (episodes,) `GripperChanges.first_step`.
        episode_task: (episodes,) task that each was collected for, for `Draw.other`.
    """

    def __init__(
        self,
        index: np.ndarray,
        steps: np.ndarray,
        config: SamplerConfig,
        task_weight: np.ndarray | None = None,
        deciding_step: np.ndarray | None = None,
        episode_task: np.ndarray | None = None,
    ):
        self._index, self._steps, self._config = index, np.asarray(steps), config
        self._deciding_step, self._episode_task = deciding_step, episode_task
        weight = np.ones(index.shape[1]) if task_weight is None else np.asarray(task_weight, float)
        self._wanted = weight > 0
        self._first_recent = len(self._steps) - config.recent_episodes
        known, pools = np.zeros(len(self._steps), np.int16), []
        drawable = self._steps > 0
        for task, wanted in enumerate(self._wanted):
            success = np.asarray(index[:, task], np.float32)
            judged = drawable & np.isfinite(success) & wanted
            known += judged
            good = success >= 0.5
            pools += [
                np.flatnonzero(part).astype(np.int32) for part in (judged & ~good, judged & good)
            ]
        self._pool = np.concatenate(pools)
        self._pool_count = np.array([len(pool) for pool in pools])
        self._pool_start = np.cumsum(self._pool_count) - self._pool_count
        newest = [np.searchsorted(pool, self._first_recent) for pool in pools]
        self._pool_newest = np.where(newest < self._pool_count, newest, 0)
        amount = weight * (self.counts.sum(1) > 0)
        if amount.sum() <= 0:
            raise InputError(
                "data", where="sampler", got="no labelled episode of the wanted tasks",
                expected="at least one", todo="collect more, or label the episodes",
            )  # fmt: skip
        self._task_chance = amount / amount.sum()
        self._most_tasks = int(known.max())
        if config.balance == "uniform":
            self._step_edges = np.cumsum(known * self._steps.astype(np.int64))

    @property
    def counts(self) -> np.ndarray:
        """(tasks, 2) int64: failed and successful episodes that count for each task."""
        return self._pool_count.reshape(-1, 2)

    def draw(self, count: int, random: np.random.Generator) -> Draw:
        """`count` states and the tasks that each is used for."""
        if self._config.balance == "uniform":
            episode, task = self._draw_uniform(count, random)
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
        success = np.nan_to_num(self._index[episode[:, None], tasks].astype(np.float32))
        if self._episode_task is None:
            other = np.zeros(tasks.shape, bool)
        else:
            other = self._episode_task[episode][:, None] != tasks
        return Draw(
            episode, step, tasks, success, self._balance(tasks, success, weight), other,
            episode >= self._first_recent,
        )  # fmt: skip

    def _known(self, episode) -> np.ndarray:
        """(n, tasks) bool: what these episodes count for."""
        return np.isfinite(self._index[episode]) & self._wanted

    def _draw_uniform(self, count, random) -> tuple[np.ndarray, np.ndarray]:
        """Episodes by their steps times their tasks; of each, one of its tasks."""
        at = random.integers(0, self._step_edges[-1], count)
        episode = np.searchsorted(self._step_edges, at, side="right")
        known = self._known(episode)
        which = (random.random(count) * known.sum(1)).astype(np.int64)
        return episode, (known.cumsum(1) > which[:, None]).argmax(1)

    def _draw_episodes(self, task, good, random) -> np.ndarray:
        """One episode a (task, outcome); of the other outcome where a task has none of one."""
        pool = 2 * task + good
        pool = np.where(self._pool_count[pool] > 0, pool, pool ^ 1)
        recent = random.random(len(task)) < self._config.recent_share
        low = np.where(recent, self._pool_newest[pool], 0)
        at = random.integers(low, self._pool_count[pool])
        return self._pool[self._pool_start[pool] + at].astype(np.int64)

    def _other_tasks(self, episode, task, random):
        """(n, k) tasks, the drawn one first, then others of its episode; and whether they count."""
        others = min(self._config.tasks_per_state, self._most_tasks) - 1
        if others <= 0:
            return task[:, None], np.ones((len(task), 1), np.float32)
        chance = random.random((len(task), len(self._wanted)))
        chance[~self._known(episode)] = -1.0
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
        size = len(self._wanted)
        good = success >= 0.5
        n_good = np.bincount(tasks[good], weight[good], size)
        n_bad = np.bincount(tasks[~good], weight[~good], size)
        share, total = self._config.success_share, n_good + n_bad
        for_good = np.clip(share * total / np.maximum(n_good, 1), 0.25, 4.0)
        for_bad = np.clip((1 - share) * total / np.maximum(n_bad, 1), 0.25, 4.0)
        return (weight * np.where(good, for_good[tasks], for_bad[tasks])).astype(np.float32)


def describe(draw: Draw, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """What a batch really held: task to its make-up; tasks without an entry are left out.

    Returns:
        For each task `entries`; and, as shares of its weight in [0, 1], `success` (by label),
        `other_tasks` (collected for another task) and `recent` (from the newest episodes).
    """
    out = {}
    recent = np.broadcast_to(draw.recent[:, None], draw.task.shape)
    for task, name in enumerate(names):
        mine = (draw.task == task) & (draw.weight > 0)
        if mine.any():
            weight = draw.weight[mine] / draw.weight[mine].sum()
            shares = {"success": draw.success, "other_tasks": draw.other, "recent": recent}
            out[name] = {
                "entries": int(mine.sum()),
                **{key: round(float(weight @ share[mine]), 3) for key, share in shares.items()},
            }
    return out
