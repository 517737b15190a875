"""Ctrl-C that is noted where it would cut something in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_noted(*, every: bool = False) -> Iterator[list[int]]:
    """Ctrl-C adds to a list and raises nothing; a second one does, unless `every` one is noted.

    Where it would not raise `KeyboardInterrupt` (in another thread, ignored, or handled by somebody
    else) nothing changes.
    """
    noted: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return

    def note(number: int, _) -> None:
        noted.append(number)
        if not every:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
