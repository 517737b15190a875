"""Numbers of the tables: seeds put together, and which row is above which."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from mtopt_learning.evaluate.scores import score_tasks

ALL = "all"


def pooled(results: Sequence[Mapping]) -> dict[str, dict]:
    """Several seeds of one row on one goal set as one.

    Args:
        results: Of `reach`, a seed each.

    Returns:
        Kind, and `all` for all of them, to `attempts`, `successes`, `low`, `high` (Wilson, 95 %)
        and `median_distance_m` (NaN where nothing was measured).
    """
    kinds = list(results[0]["kinds"])
    groups = {**{kind: [kind] for kind in kinds}, ALL: kinds}
    counts = {
        name: tuple(
            sum(one["kinds"][kind][key] for one in results for kind in group)
            for key in ("attempts", "successes")
        )
        for name, group in groups.items()
    }
    scores = score_tasks(counts)["tasks"]
    for name, group in groups.items():
        far = [d for one in results for kind in group for d in one["distances_m"][kind]]
        scores[name]["median_distance_m"] = statistics.median(far) if far else math.nan
    return scores


def verdict(ours: Mapping, other: Mapping) -> str:
    """`ahead`, `behind`, or `not told apart`, where the two intervals overlap."""
    if ours["low"] > other["high"]:
        return "ahead"
    return "behind" if ours["high"] < other["low"] else "not told apart"
