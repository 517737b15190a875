"""Which episodes were recorded right before and behind another one."""

from __future__ import annotations

import numpy as np

_NEIGHBOURS = 5
"""So many episodes before an episode, and behind it, are mostly of the same scene."""


def neighbouring_episodes(bag: np.ndarray) -> np.ndarray:
    """(n, 10) int64 indices of the next five episodes of the same bag, then of the five before.

    Nearest first; -1 for none.

    Args:
        bag: (n,) which bag each is of, in the order in which they were recorded.
    """
    _, group = np.unique(bag.astype(str), return_inverse=True)
    order = np.argsort(group, kind="stable")
    out = np.full((len(bag), 2 * _NEIGHBOURS), -1, np.int64)
    for ahead in range(1, _NEIGHBOURS + 1):
        here, there = order[:-ahead], order[ahead:]
        same = group[here] == group[there]
        out[here[same], ahead - 1] = there[same]
        out[there[same], _NEIGHBOURS + ahead - 1] = here[same]
    return out
