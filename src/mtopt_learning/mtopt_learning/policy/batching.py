"""Decides when waiting requests are answered together. No clock of its own."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class BatchWindow(Generic[Item]):
    """Collects requests until all robots that ask regularly have asked, or a short time is over.

    Args:
        window_s: Longest wait of a request.
        forget_s: A robot that was silent for so long is not waited for.
    """

    def __init__(self, window_s: float, forget_s: float = 2.0):
        self._window_s, self._forget_s = window_s, forget_s
        self._waiting: list[tuple[str, Item]] = []
        self._first_s = 0.0
        self._asked_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, robot: str, item: Item, now_s: float) -> None:
        """A robot's request came."""
        if not self._waiting:
            self._first_s = now_s
        self._waiting.append((robot, item))
        self._asked_s[robot] = now_s

    def due(self, now_s: float) -> bool:
        """Whether the waiting requests are to be answered now."""
        if not self._waiting:
            return False
        if now_s - self._first_s >= self._window_s:
            return True
        waiting = {robot for robot, _ in self._waiting}
        return all(
            robot in waiting or now_s - asked_s > self._forget_s
            for robot, asked_s in self._asked_s.items()
        )

    def take(self) -> list[Item]:
        """All waiting requests, in the order of their coming; none waits any more."""
        items = [item for _, item in self._waiting]
        self._waiting.clear()
        return items
