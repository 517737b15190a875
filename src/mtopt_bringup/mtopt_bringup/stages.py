"""Long work as stages: each leaves its result on disk and is not run twice."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mtopt_spec.errors import InputError
from mtopt_spec.folder_lock import alone_in
from mtopt_spec.whole_file import partial_path, write_aside

_LOG = logging.getLogger("mtopt.stages")


class Stages:
    """The stages of one folder.

    Args:
        out: Folder of everything; results lie in its `stages/`, the settings in `settings.json`.
        settings: Plain data; a later call into the same folder must have the same.

    Raises:
        InputError: The folder holds stages of other settings.
    """

    def __init__(self, out: Path, settings: dict):
        self._folder = Path(out) / "stages"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.results: dict[str, dict] = {}
        path, plain = Path(out) / "settings.json", json.loads(json.dumps(settings))
        if path.exists() and json.loads(path.read_text()) != plain:
            raise InputError(
                "settings", where=path, got=plain, expected=path.read_text(),
                todo="name another folder with --out, or remove this one",
            )  # fmt: skip
        write_json(path, plain)

    def run(self, name: str, work: Callable[[], dict]) -> dict:
        """The stage's result with its time, `stage_s`; does the work where it is not done yet.

        Raises:
            InputError: Another process works in the folder.
        """
        if not self.has(name):
            with self.alone():
                _LOG.info("stage %s", name)
                began_s = time.monotonic()
                self.keep(name, work(), time.monotonic() - began_s)
        if name not in self.results:
            _LOG.info("stage %s: %.0f s", name, self.result(name)["stage_s"])
        return self.result(name)

    def alone(self) -> AbstractContextManager:
        """Keeps other processes from working on stages in this folder; see `alone_in`."""
        return alone_in(self._folder.parent, "stages")

    def has(self, name: str) -> bool:
        """Whether the stage is done."""
        return self._path(name).exists()

    def keep(self, name: str, result: dict, seconds: float) -> None:
        """Writes the result of a stage that is done."""
        write_json(self._path(name), {**result, "stage_s": round(seconds, 2)})

    def result(self, name: str) -> dict:
        """The result of a stage that is done."""
        if name not in self.results:
            self.results[name] = json.loads(self._path(name).read_text())
        return self.results[name]

    def all_results(self) -> dict[str, dict]:
        """Every stage that is done, by name."""
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        return {name: self.result(name) for name in names}

    def elapsed_s(self) -> float:
        """What the stages that were run or asked for took, whenever they ran."""
        return sum(result["stage_s"] for result in self.results.values())

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def parts_of(total: int, most: int) -> list[tuple[int, int]]:
    """Number, from 1 on, and size of each part of `total` things, at most `most` in one."""
    firsts = range(0, total, most)
    return [(number, min(most, total - first)) for number, first in enumerate(firsts, 1)]


def write_json(path: Path, result: dict) -> None:
    """Replaces a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, json.dumps(result, indent=1, default=float).encode())


def copy_folder(source: Path, target: Path) -> None:
    """Replaces a folder by a copy of another one, as a whole."""
    partial = partial_path(target)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, partial)
    os.rename(partial, target)
