"""The data set that goals are learned from."""

from __future__ import annotations

from pathlib import Path

from mtopt_learning.dataset.cache import read_manifest
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList


def data_of_base(base: Path) -> Path:
    """The data set of an `mtopt benchmark paper` experiment, with that of its on-policy rounds.

    Raises:
        InputError: There is none.
    """
    for data in (base / "online" / "data", base / "data"):
        if data.is_dir():
            return data
    raise InputError(
        "data set", where=base, got="no data/", expected="what `mtopt benchmark paper` collected",
        todo="run `mtopt benchmark paper` first; --base is its --out. Or name a data set by --data",
    )  # fmt: skip


def data_fingerprint(data: Path, tasks: TaskList) -> str:
    """The fingerprint of a data set of the cell's tasks.

    Raises:
        InputError: There is no data set, or it is of other tasks.
    """
    manifest = read_manifest(data)
    if tuple(manifest["tasks"]) != tasks.names:
        raise InputError(
            "tasks of the data set", where=data, got=manifest["tasks"], expected=list(tasks.names),
            todo="build it with the cell's task file",
        )  # fmt: skip
    return manifest["fingerprint"]
