"""A stream's rate and staleness."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class StreamState:
    """How a stream does.

    Attributes:
        rate_hz: Over the last `window` arrivals; 0 before the second.
        age_s: Since the last arrival; infinite before the first.
        stale: The last arrival is longer ago than allowed.
        problem: What was wrong with the last arrival; empty if nothing.
        arrivals: In all.
        refused: Of these, how many were not good.
    """

    rate_hz: float
    age_s: float
    stale: bool
    problem: str
    arrivals: int
    refused: int


class StreamMonitor:
    """Watches arrivals on a clock that never goes back.

    Args:
        max_age_s: Age from which the stream is stale.
        window: Arrivals that the rate is taken over.
    """

    def __init__(self, max_age_s: float, window: int = 50):
        self._max_age_s = max_age_s
        self._times: deque[float] = deque(maxlen=window)
        self._problem = ""
        self._arrivals = self._refused = 0

    def arrived(self, now_s: float, problem: str = "") -> None:
        """Counts an arrival; `problem` says why it was refused."""
        self._times.append(now_s)
        self._problem = problem
        self._arrivals += 1
        self._refused += bool(problem)

    def state(self, now_s: float) -> StreamState:
        """How the stream does now."""
        times = self._times
        span_s = times[-1] - times[0] if times else 0.0
        age_s = now_s - times[-1] if times else float("inf")
        return StreamState(
            (len(times) - 1) / span_s if span_s > 0.0 else 0.0,
            age_s,
            age_s > self._max_age_s,
            self._problem,
            self._arrivals,
            self._refused,
        )
