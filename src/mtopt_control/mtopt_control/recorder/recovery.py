"""Closes bags that a crash left open: whole episodes are kept, the rest is set aside."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtopt_control.recorder.bag_writer import free_reserve, write_metadata
from mtopt_control.recorder.mcap_file import Contents, McapFile
from mtopt_control.recorder.mcap_scan import scan
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import PARTIAL, write_aside

CUT = ".cut"
"""Ending of the file beside a bag that keeps the bytes of no whole episode, of all repairs."""


@dataclass(frozen=True)
class Found:
    """What a bag without a proper end was found to hold.

    Attributes:
        bag: Its folder, as it is called once closed.
        episodes: Whole episodes.
        cut_bytes: Bytes of none of them that are not an end of file: of damaged episodes, and of
            one that was being written.
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
    """Closes one bag: an unclosed one, or a closed one whose file was cut off or damaged later.

    The bytes of no whole episode go to `<bag>.cut` beside it, where nothing reads them as an
    episode. Where whole episodes lie behind such bytes, the file is written anew without them.
    A bag without a whole episode is removed. Doing it again does no harm.

    Raises:
        InputError: It has several files; nothing is changed.
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
    found = Found(closed, len(blocks), _cut_bytes(contents))
    free_reserve(bag)
    if contents.cut:
        data = file.read_bytes()
        rest = b"".join(data[part] for part in contents.cut)
        _set_aside(closed.with_name(closed.name + CUT), rest)
        if contents.cut[0].start < contents.end:
            write_aside(file, _without(data, contents.cut))
    if not blocks:
        shutil.rmtree(bag)
        return found
    McapFile(file, contents).close()
    write_metadata(bag, file.name, contents, recovered=True)
    if bag != closed:
        os.rename(bag, closed)
    return found


def _set_aside(path: Path, rest: bytes) -> None:
    """Adds bytes to those of earlier repairs; not again where the last repair was interrupted."""
    kept = path.read_bytes() if path.exists() else b""
    if not kept.endswith(rest):
        write_aside(path, kept + rest)


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
    return Found(closed, len(blocks), _cut_bytes(contents))


def _mcap_of(bag: Path) -> Path | None:
    files = sorted(bag.glob("*.mcap"))
    if len(files) > 1:
        raise InputError(
            "bag to repair", where=bag, got=f"{len(files)} .mcap files", expected="one",
            todo="put each into a folder of its own, repair that",
        )  # fmt: skip
    return files[0] if files else None


def _is_locked(file: Path) -> bool:
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _cut_bytes(contents: Contents) -> int:
    return sum(part.stop - part.start for part in contents.cut)


def _without(data: bytes, cut: Sequence[slice]) -> bytes:
    """What remains of a file when stretches are cut out of it."""
    starts = [0, *(part.stop for part in cut)]
    stops = [*(part.start for part in cut), len(data)]
    return b"".join(data[start:stop] for start, stop in zip(starts, stops, strict=True))
