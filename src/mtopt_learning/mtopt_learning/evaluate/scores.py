"""What an evaluation found, as `mtopt eval --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping

from mtopt_learning.evaluate.intervals import wilson_interval


def score_tasks(counts: Mapping[str, tuple[int, int]]) -> dict:
    """`{tasks: {name: {attempts, successes, low, high}}, mean}`.

    Args:
        counts: Task to (attempts, successes).

    Returns:
        Wilson's 95 % interval of each task's success rate; `mean` counts each task alike and is
        NaN without attempts.
    """
    tasks, rates = {}, []
    for name, (attempts, successes) in counts.items():
        low, high = wilson_interval(successes, attempts)
        tasks[name] = {"attempts": attempts, "successes": successes, "low": low, "high": high}
        if attempts:
            rates.append(successes / attempts)
    return {"tasks": tasks, "mean": sum(rates) / len(rates) if rates else float("nan")}
