"""Which episode counts as data of which task: MT-Opt (arXiv 2104.08212), section V.

An episode is never copied. Impersonation is an index: a table episode x task of what the episode
is worth to the task, `NOT_SHARED` where it is no data of it.
"""

from __future__ import annotations

import numpy as np

from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList

SHARINGS = ("f_orig", "f_all", "f_skill")
"""Own task only; every task; every task of the same skill (the paper's choice)."""


def shared_with(tasks: TaskList, names: tuple[str, ...], sharing: str) -> np.ndarray:
    """(n, n) bool: may episodes collected for task i (row) count for task j (column)?

    Args:
        tasks: The cell's tasks, for their skills.
        names: The n tasks of the data set, in its order.
        sharing: One of `SHARINGS`.
    """
    if sharing == "f_orig":
        return np.eye(len(names), dtype=bool)
    if sharing == "f_all":
        return np.ones((len(names), len(names)), bool)
    if sharing == "f_skill":
        skills = np.array([tasks.named(name).skill for name in names])
        return skills[:, None] == skills[None, :]
    raise InputError("sharing", where="relabelling", got=repr(sharing), expected=SHARINGS)


def impersonate(labels: np.ndarray, episode_task: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """The index: (episodes, tasks) float32 success in [0, 1], NaN where it is no data of the task.

    Successes and failures alike are shared: what makes the rare tasks work are the failures.

    Args:
        labels: (episodes, tasks) probability of success, NaN unknown.
        episode_task: (episodes,) task that each was collected for.
        shared: Of `shared_with`.
    """
    return np.where(shared[episode_task], labels, np.nan).astype(np.float32)
