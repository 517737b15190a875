"""Which episode counts as data of which task: MT-Opt (arXiv 2104.08212), section V.

An episode is never copied. Impersonation is an index: a table episode x task of what the episode
is worth to the task, NaN where it is no data of it.
"""

from __future__ import annotations

import importlib
import re
from typing import Protocol

import numpy as np

from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList

SHARINGS = ("f_orig", "f_all", "f_skill")
"""Own task only; every task; every task of the same skill (the paper's choice).

Episodes of no task count for every task with `f_all`, with `f_skill` for those that a person or an
import judged.
"""
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class LearnedSharing(Protocol):
    """A rule of sharing that looks at the data, named `module:function` in the settings."""

    def __call__(self, dataset, tasks: TaskList, labels: np.ndarray) -> np.ndarray:
        """Says which episodes are data of which tasks.

        Args:
            dataset: A `Dataset`: `episode_task`, last pictures (`last_row`), and all else.
            tasks: The data set's tasks, in its order.
            labels: (episodes, tasks) probability of success in [0, 1], NaN unknown.

        Returns:
            (episodes, tasks) bool. Where true and judged, the episode counts for the task, be it
            a success or a failure.
        """


def check_sharing(sharing: str, where: str) -> None:
    """Raises `InputError` unless it is one of `SHARINGS` or `module:function`; imports nothing."""
    if sharing not in SHARINGS and not _FUNCTION.fullmatch(sharing):
        raise InputError(
            "sharing", where=where, got=repr(sharing), expected=(*SHARINGS, "module:function")
        )


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


def impersonate(
    labels: np.ndarray,
    episode_task: np.ndarray,
    shared: np.ndarray,
    of_no_task: bool | np.ndarray = False,
) -> np.ndarray:
    """The index by a rule over tasks.

    Successes and failures alike are shared: what makes the rare tasks work are the failures.

    Args:
        labels: (episodes, tasks) probability of success, NaN unknown.
        episode_task: (episodes,) task that each was collected for; -1: none of them.
        shared: (tasks, tasks) of `shared_with`.
        of_no_task: Whether episodes that were collected for none of the tasks count; of all, or
            (episodes, tasks) bool.

    Returns:
        (episodes, tasks) float16 success in [0, 1], NaN where it is no data of the task.
    """
    return _keep(labels, np.where(episode_task[:, None] >= 0, shared[episode_task], of_no_task))


def sharing_index(dataset, tasks: TaskList, labels: np.ndarray, sharing: str) -> np.ndarray:
    """The index by any rule, those that look at the data included.

    Args:
        dataset: A `Dataset`.
        tasks: Its tasks, in its order.
        labels: (episodes, tasks) probability of success, NaN unknown.
        sharing: One of `SHARINGS`, or the `module:function` of a `LearnedSharing`.

    Returns:
        As of `impersonate`.

    Raises:
        InputError: There is no such rule, or it gave something else than a table of bools.
    """
    check_sharing(sharing, "relabelling")
    if sharing in SHARINGS:
        shared = shared_with(tasks, tasks.names, sharing)
        of_no_task = told(dataset) if sharing == "f_skill" else sharing == "f_all"
        return impersonate(labels, dataset.episode_task, shared, of_no_task)
    counts = np.asarray(_function(sharing)(dataset, tasks, labels))
    if counts.shape != labels.shape or counts.dtype != bool:
        raise InputError(
            "sharing", where=sharing, got=f"{counts.dtype} of shape {counts.shape}",
            expected=f"bool of shape {labels.shape}",
        )  # fmt: skip
    return _keep(labels, counts)


def told(dataset) -> np.ndarray:
    """(episodes, tasks) bool: what a person or an import judged, who choose the tasks.

    The simulator and a detector judge every episode for every task.
    """
    return ~np.isnan(dataset.labels("person")) | ~np.isnan(dataset.labels("import"))


def _function(name: str) -> LearnedSharing:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(
            "sharing", where="relabelling", got=f"{name} ({error})",
            expected="a function that can be imported",
        ) from error  # fmt: skip


def _keep(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    index = labels.astype(np.float16)
    index[~counts] = np.nan
    return index
