"""Ticks: the stamps that the parts of an observation share, multiples of the control period."""

from __future__ import annotations

import math

_SLACK_S = 1e-6


def tick_of(stamp_s: float, period_s: float) -> float:
    """The newest tick at a stamp; the stamp itself where it lies on one."""
    tick_s = round(math.floor((stamp_s + _SLACK_S) / period_s) * period_s, 9)
    return stamp_s if abs(tick_s - stamp_s) <= _SLACK_S else tick_s
