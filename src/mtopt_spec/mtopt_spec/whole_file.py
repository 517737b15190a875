"""A file as a whole: it holds the old bytes or the new, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = ".partial"
"""Ending of the name of a file or bag that is being written, or was when its writer died."""


def write_aside(path: Path, data: bytes) -> None:
    """Writes a file aside, to the disk, and renames it."""
    aside = path.with_name(path.name + PARTIAL)
    with aside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(aside, path)
