"""Stations computed side by side: each on one thread of its own, for its graphics context."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class StationThreads:
    """A few threads; a station's work always runs on the same one.

    Args:
        count: Threads; 0 takes one a core.
    """

    def __init__(self, count: int):
        count = count or len(os.sched_getaffinity(0))
        self._threads = [ThreadPoolExecutor(1, f"stations_{i}") for i in range(count)]

    def submit(self, index: int, work: Callable[..., T], *arguments) -> Future[T]:
        """Starts work of station `index`."""
        return self._threads[index % len(self._threads)].submit(work, *arguments)

    def call(self, index: int, work: Callable[..., T], *arguments) -> T:
        """Does work of station `index` and returns its result."""
        return self.submit(index, work, *arguments).result()

    def map(self, indices: Iterable[int], work: Callable[[int], T]) -> list[T]:
        """Does `work(index)` of several stations side by side; results in the order of indices."""
        futures = [self.submit(index, work, index) for index in indices]
        return [future.result() for future in futures]

    def close(self) -> None:
        """Ends the threads when their present work is done."""
        for thread in self._threads:
            thread.shutdown()
