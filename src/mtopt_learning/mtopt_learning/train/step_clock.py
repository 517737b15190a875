"""Where a gradient step's time goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StepClock:
    """Adds up the seconds of each phase; a trainer without a clock measures nothing.

    Attributes:
        spent_s: Phase to seconds. `sample` and `gather` may pass in a thread beside the step; what
            the step waits for them is in `data`.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self.spent_s: Counter[str] = Counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times a block, with all that it put on the device."""
        begun = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.spent_s[name] += time.perf_counter() - begun
