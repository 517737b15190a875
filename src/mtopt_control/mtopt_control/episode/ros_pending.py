"""What a robot's life waits for: how long it may take, and when it is asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType

from mtopt_spec.interfaces import Fault
from mtopt_spec.ros_messages import NANOSECONDS


class PendingRequest:
    """The request that the generator of `episode.machine` waits for, on wall time."""

    def __init__(self):
        self.clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.request: Any = None
        """Of `episode.requests`; None: nothing is waited for."""
        self.fault = Fault.NONE
        """What it is that no answer has come in time."""
        self._number = 0
        self._deadline_ns: int | None = None
        self._again_ns: int | None = None
        self._again_s = 0.0

    def clear(self) -> None:
        """The generator goes on: what was waited for no longer counts."""
        self._number += 1
        self.request = self._deadline_ns = self._again_ns = None

    def until(self, timeout_s: float, fault: Fault) -> None:
        """Its answer must come within this time, or it is that fault."""
        self._deadline_ns = self._after_ns(timeout_s)
        self.fault = fault

    def again_after(self, wait_s: float) -> None:
        """It is asked again after this time, and then after twice as long each time."""
        self._again_s = wait_s
        self._again_ns = self._after_ns(wait_s)

    @property
    def has_deadline(self) -> bool:
        """Somebody was asked for it."""
        return self._deadline_ns is not None

    def is_late(self) -> bool:
        """Its time is over."""
        return self._deadline_ns is not None and self._after_ns() >= self._deadline_ns

    def is_due_again(self) -> bool:
        """True once each time that it is to be asked again."""
        if self._again_ns is None or self._after_ns() < self._again_ns:
            return False
        self.again_after(2.0 * self._again_s)
        return True

    def if_still(self, act: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same callback, without effect once the generator has gone on."""
        number = self._number
        return lambda value: act(value) if number == self._number else None

    def _after_ns(self, wait_s: float = 0.0) -> int:
        return self.clock.now().nanoseconds + round(wait_s * NANOSECONDS)
