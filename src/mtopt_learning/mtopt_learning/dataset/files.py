"""The files of a cache: what its manifest says, how they are named, written and mapped."""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from pathlib import Path

import numpy as np

from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside

CACHE_VERSION = 1
MANIFEST = "dataset.json"
"""Names what belongs to the cache; what it does not name, an interrupted build left behind."""


OWN_TABLE = re.compile(r"(steps|episodes)_\d{6,}\.arrow")
OWN_IMAGES = re.compile(r"images_\w[\w-]*\.u8")
_OWN = re.compile(
    rf"({OWN_TABLE.pattern}|{re.escape(MANIFEST)})(\.partial)?|{OWN_IMAGES.pattern}|"
    r"labels_\w+\.(npz|npy|json)|\w+\.lock"
)


def image_file(camera: str) -> str:
    """Name of the file of a camera's pictures: (n, h, w, 3) uint8, nothing else in it."""
    return f"images_{camera}.u8"


def read_manifest(folder: Path) -> dict:
    """The manifest of a cache.

    Raises:
        InputError: There is none, or it is of another version.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(
            "dataset",
            where=folder,
            got=f"no {MANIFEST}",
            expected="a folder made by `mtopt dataset build`",
        )
    try:
        manifest = json.loads(path.read_text())
        version = manifest["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("dataset", where=path, got=f"{error!r}", expected="JSON") from error
    if version != CACHE_VERSION:
        raise InputError(
            "dataset",
            where=path,
            got=f"version {version}",
            expected=f"version {CACHE_VERSION}",
            todo="build it anew: it can always be made from the bags",
        )
    return manifest


def check_folder(folder: Path) -> None:
    """Refuses a folder that holds something else than a cache or what is left of one.

    Raises:
        InputError: It has no manifest, and files of other names than a cache's; or is a file.
    """
    if (folder / MANIFEST).exists() or not folder.exists():
        return
    foreign = [folder.name]
    if folder.is_dir():
        foreign = sorted(e.name for e in folder.iterdir() if not _OWN.fullmatch(e.name))
    if foreign:
        raise InputError(
            "folder of the data set", where=folder, got=", ".join(foreign[:3]),
            expected="none, an empty one, or one that `mtopt dataset build` began",
            todo="name another folder",
        )  # fmt: skip


def write_manifest(folder: Path, manifest: dict) -> None:
    """Commits a cache; `version` and `fingerprint` are filled in."""
    content = [manifest["tasks"], manifest["cameras"], [b["fingerprint"] for b in manifest["bags"]]]
    digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
    manifest.update(version=CACHE_VERSION, fingerprint=digest)
    write_aside(folder / MANIFEST, json.dumps(manifest, indent=1).encode())


def safe_name(name: str) -> str:
    """A camera's name as part of a file name.

    Raises:
        InputError: It is none.
    """
    if not re.fullmatch(r"\w[\w-]*", name):
        raise InputError("camera", where="bag", got=repr(name), expected="letters and digits")
    return name


def map_images(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A camera's pictures, (n, h, w, 3) uint8, read as they are asked for.

    Raises:
        InputError: The file is missing or short.
    """
    if shape[0] == 0:
        return np.zeros(shape, np.uint8)
    size, expected = path.stat().st_size if path.is_file() else 0, int(np.prod(shape))
    if size < expected:
        raise InputError(
            "dataset pictures",
            where=path,
            got=f"{size} bytes",
            expected=f"{expected}",
            todo="build it anew: it can always be made from the bags",
        )
    with path.open("rb") as stream:
        pictures = mmap.mmap(stream.fileno(), expected, access=mmap.ACCESS_READ)
    # Batches are drawn from anywhere: what a system reads ahead, up to megabytes a picture, would
    # push out of memory what is needed.
    pictures.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(pictures, np.uint8).reshape(shape)
