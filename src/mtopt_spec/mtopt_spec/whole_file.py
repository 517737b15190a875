"""A file as a whole: it holds the old bytes or the new, whatever happens."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PARTIAL = ".partial"
"""Ending of the name of a file or bag that is being written, or was when its writer died."""


def partial_path(path: Path) -> Path:
    """What a file or folder is called while it is written."""
    return path.with_name(path.name + PARTIAL)


def write_aside(path: Path, data: bytes) -> None:
    """Writes a file aside, to the disk, and renames it; nothing stays aside where that fails.

    Raises:
        OSError: It names a file, on a full disk too.
    """
    aside = partial_path(path)
    try:
        with aside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(aside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
