"""A learned sharing: the labels say which tasks' episodes are useful to which other task."""

from __future__ import annotations

import numpy as np

from mtopt_spec.task import TaskList

LEAST_RATE_RATIO = 0.1
"""Of the task's own success rate, which another task's episodes must reach."""
LEAST_JUDGED = 20
"""Episodes of the other task that must have been judged for the task."""


def share_by_success_rate(dataset, tasks: TaskList, labels: np.ndarray) -> np.ndarray:
    """Episodes of task i count for task j if they succeed at j not much more rarely than j's own.

    It finds the skills without being told them: looking for a can, an arm that lifts anything
    sometimes lifts a can, and one that places never does.

    Args, returns: as `mtopt_learning.relabel.impersonation.LearnedSharing`.
    """
    own = np.asarray(dataset.episode_task)
    judged, successes = np.isfinite(labels), np.nan_to_num(labels) >= 0.5
    of_task = np.arange(len(tasks))[:, None] == own
    count = np.stack([judged[mine].sum(0) for mine in of_task])
    rate = np.stack([successes[mine].sum(0) for mine in of_task]) / np.maximum(count, 1)
    useful = (rate >= LEAST_RATE_RATIO * rate.diagonal()) & (rate > 0) & (count >= LEAST_JUDGED)
    shared = useful | np.eye(len(tasks), dtype=bool)
    return shared[own] & (own >= 0)[:, None]
