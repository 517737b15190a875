"""Finds bags in folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import PARTIAL

METADATA = "metadata.yaml"
_TAIL_BYTES = 65536


def find_bags(paths: Iterable[Path]) -> list[Path]:
    """All closed bags at or below the paths, each once: path by path, by name below each.

    Raises:
        InputError: A path does not exist or is no file of a bag, or no bag is found.
    """
    paths = [Path(p) for p in paths]
    found = [bag for path in paths for bag in sorted(_folders(path))]
    bags = [bag for bag in dict.fromkeys(found) if not bag.name.endswith(PARTIAL)]
    if not bags:
        raise InputError(
            "bags",
            where=", ".join(map(str, paths)),
            got="none",
            expected="folders with metadata.yaml and a .mcap file",
            todo="`mtopt bags check --repair` closes bags that a crash left open",
        )
    return bags


def bag_fingerprint(bag: Path) -> str:
    """A digest that stays the same when the bag is moved: of its metadata, size and summary.

    Raises:
        InputError: It has no metadata: nobody has closed it.
    """
    metadata = bag / METADATA
    if not metadata.is_file():
        raise InputError(
            "bag", where=bag, got=f"no {METADATA}", expected="a closed bag",
            todo="`mtopt bags check --repair` closes bags that a crash left open",
        )  # fmt: skip
    digest = hashlib.blake2b(metadata.read_bytes(), digest_size=16)
    for path in sorted(bag.glob("*.mcap")):
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(0, size - _TAIL_BYTES))
            digest.update(f"{path.name} {size}".encode() + stream.read())
    return digest.hexdigest()


def _folders(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError("bags", where=path, got="no such folder", expected="a folder of bags")
    if path.is_file():
        if path.suffix != ".mcap" and path.name != METADATA:
            raise InputError(
                "bags", where=path, got="another file",
                expected=f"a folder of bags, or {METADATA} or a .mcap file of one bag",
            )  # fmt: skip
        return [path.parent.resolve()]
    marks = [*path.rglob(METADATA), *path.rglob("*.mcap")]
    return [mark.parent.resolve() for mark in marks]
