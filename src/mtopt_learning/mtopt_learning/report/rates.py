"""A success rate with its interval, as a table row shows it."""

from __future__ import annotations

import math

from mtopt_learning.evaluate.intervals import wilson_interval


def rate_row(name: str, successes: int, attempts: int) -> dict:
    """A row `{name, attempts, successes, rate, low, high, rate_text, interval_text}`.

    Rates are in [0, 1]; NaN without attempts. The interval is Wilson's at 95 %.
    """
    rate, low, high = float("nan"), float("nan"), float("nan")
    if attempts:
        rate = successes / attempts
        low, high = wilson_interval(successes, attempts)
    return interval_row(name, attempts, successes, rate, low, high)


def interval_row(
    name: str, attempts: int, successes: int, rate: float, low: float, high: float
) -> dict:
    """The same row from an interval that was calculated elsewhere."""
    known = math.isfinite(rate)
    return {
        "name": name,
        "attempts": attempts,
        "successes": successes,
        "rate": rate,
        "low": low,
        "high": high,
        "rate_text": f"{rate * 100:.0f} %" if known else "–",
        "interval_text": f"{low * 100:.0f}–{high * 100:.0f} %" if known else "no attempt",
    }
