"""Closes bags that a crash left open: whole episodes are kept, the rest is set aside."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mcap.opcode import Opcode

from mtopt_control.recorder.bag_writer import free_reserve, mcap_name, write_metadata
from mtopt_control.recorder.mcap_file import McapFile
from mtopt_control.recorder.mcap_scan import scan
from mtopt_spec.whole_file import PARTIAL, write_aside

CUT = ".cut"
"""Ending of the file beside a bag that keeps the bytes after its last whole episode."""


@dataclass(frozen=True)
class Found:
    """What a bag without a proper end was found to hold.

    Attributes:
        bag: Its folder, as it is called once closed.
        episodes: Whole episodes.
        cut_bytes: Bytes after the last whole one that are not an end of file: an episode that
            was being written.
        being_written: Another process has it open; nothing was done.
    """

    bag: Path
    episodes: int
    cut_bytes: int
    being_written: bool = False


def unclosed_bags(folder: Path) -> list[Path]:
    """Folders at or below this one whose bag was begun and not closed."""
    folder = Path(folder)
    below = [p for p in folder.rglob(f"*{PARTIAL}") if p.is_dir()]
    return sorted(below + ([folder] if folder.name.endswith(PARTIAL) else []))


def recover_bags(folder: Path) -> list[Found]:
    """Recovers all unclosed bags at or below a folder."""
    return [recover_bag(partial) for partial in unclosed_bags(folder)]


def recover_bag(bag: Path) -> Found:
    """Closes one bag: an unclosed one, or a closed one whose file was cut off later.

    The bytes after the last whole episode go to `<bag>.cut` beside it, where nothing reads them
    as an episode. A bag without a whole episode is removed. Doing it again does no harm.

    Raises:
        OSError: No room on the disk; nothing is lost, try again.
    """
    bag = Path(bag)
    closed = bag.with_name(bag.name.removesuffix(PARTIAL))
    file = _mcap_of(bag)
    if file is None:
        if bag.name.endswith(PARTIAL):
            shutil.rmtree(bag)
        return Found(closed, 0, 0)
    if _is_locked(file):
        return Found(closed, 0, 0, being_written=True)
    contents, blocks = scan(file)
    rest = _cut_off_bytes(file, contents.end)
    free_reserve(bag)
    if rest:
        write_aside(closed.with_name(closed.name + CUT), rest)
    if not blocks:
        shutil.rmtree(bag)
        return Found(closed, 0, len(rest))
    McapFile(file, contents).close()
    write_metadata(bag, file.name, contents, recovered=True)
    if bag != closed:
        os.rename(bag, closed)
    return Found(closed, len(blocks), len(rest))


def inspect_bag(bag: Path) -> Found:
    """What `recover_bag` would find; changes nothing."""
    bag = Path(bag)
    closed = bag.with_name(bag.name.removesuffix(PARTIAL))
    file = _mcap_of(bag)
    if file is None:
        return Found(closed, 0, 0)
    if _is_locked(file):
        return Found(closed, 0, 0, being_written=True)
    contents, blocks = scan(file)
    return Found(closed, len(blocks), len(_cut_off_bytes(file, contents.end)))


def _mcap_of(bag: Path) -> Path | None:
    named = bag / mcap_name(bag)
    return named if named.is_file() else next(iter(sorted(bag.glob("*.mcap"))), None)


def _is_locked(file: Path) -> bool:
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _cut_off_bytes(file: Path, end: int) -> bytes:
    """Bytes after the last whole block; a summary, whole or not, can be made anew and is none."""
    with file.open("rb") as stream:
        stream.seek(end)
        rest = stream.read()
    return b"" if rest[:1] == bytes([Opcode.DATA_END]) else rest
