"""Prepares what the next steps need while a step computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Items by number, some of them ahead of their turn in a thread.

    Args:
        prepare: Gives item i; called for 0, 1, 2, ... from the number that is taken first.
        ahead: Items that wait; 0 prepares each when it is taken, without a thread.
    """

    def __init__(self, prepare: Callable[[int], T], ahead: int):
        self._prepare, self._ahead = prepare, ahead
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque = deque()
        self._next = 0

    def take(self, number: int) -> T:
        """Item `number`; an error of `prepare` is raised here."""
        if not self._ahead:
            return self._prepare(number)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "feed")
        if number != self._next - len(self._waiting):
            self._drop(number)
        while len(self._waiting) <= self._ahead:
            self._waiting.append(self._pool.submit(self._prepare, self._next))
            self._next += 1
        return self._waiting.popleft().result()

    def _drop(self, number: int) -> None:
        for item in self._waiting:
            item.cancel()
        self._waiting.clear()
        self._next = number

    def close(self) -> None:
        """Ends the thread; the next item that is taken starts another."""
        self._drop(0)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
