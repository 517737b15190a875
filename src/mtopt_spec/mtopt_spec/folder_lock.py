"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtopt_spec.errors import InputError


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Holds `<work>.lock` in the folder; it is free again when the process ends, however it does.

    Args:
        folder: It must exist.
        work: What is done in it, a word.

    Raises:
        InputError: Another process does the same there.
    """
    with (folder / f"{work}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                work, where=folder, got="another process that does it there", expected="one",
                todo="wait for it, stop it, or name another folder",
            ) from None  # fmt: skip
        yield
