"""What the new tasks build on: the data set and the run of `mtopt benchmark paper`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mtopt_bringup.paper.arms import ONLINE
from mtopt_bringup.paper.train import run_folder
from mtopt_learning.dataset.files import read_manifest
from mtopt_learning.train.run_folder import can_resume
from mtopt_sim.cell import CellConfig, cell_objects
from mtopt_spec.errors import InputError
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class Base:
    """What was learned before.

    Attributes:
        run: Of the known tasks.
        data: What it learned from.
        episodes: In it.
        known, new: Tasks.
        parents: New task to the easiest known one of its skill: that one's policy explores for
            it, and its weights are what the new task's begin as.
    """

    run: Path
    data: Path
    episodes: int
    known: TaskList
    new: TaskList
    parents: Mapping[str, str]


def find_base(folder: Path, tasks: TaskList, world: Path) -> Base:
    """Finds run and data set, those of the on-policy rounds where they are there.

    Args:
        folder: The `--out` of `mtopt benchmark paper`.
        tasks: The known tasks, in the order of the data set, and new ones behind them.
        world: World file of the new tasks.

    Raises:
        InputError: Something is missing, the data set is of other tasks, the world lacks an object
            that a new task names, or a new task names none that is new.
    """
    todo = "run `mtopt benchmark paper` first; --base is its --out"
    online = can_resume(folder / "online" / "run")
    run = folder / "online" / "run" if online else run_folder(folder, ONLINE, 0)
    data = folder / "online" / "data" if online else folder / "data"
    try:
        manifest = read_manifest(data)
    except InputError as error:
        raise InputError(
            "data set", where=data, got=str(error), expected="what the base learned from", todo=todo
        ) from error
    if not can_resume(run):
        raise InputError("run", where=run, got="none", expected=f"row {ONLINE}'s run", todo=todo)
    names = tuple(manifest["tasks"])
    if names != tasks.names[: len(names)] or len(names) == len(tasks):
        raise InputError(
            "tasks of the data set", where=data, got=list(names),
            expected=f"the first ones of {list(tasks.names)}, and new ones behind them",
            todo="put the new tasks behind the known ones, in a file that extends theirs",
        )  # fmt: skip
    known, new = TaskList(tasks[: len(names)]), TaskList(tasks[len(names) :])
    _check_objects(new, world)
    parents = {task.name: known.easiest(task.skill).name for task in new}
    return Base(run, data, manifest["episodes"], known, new, parents)


def _check_objects(new: TaskList, world: Path) -> None:
    """No earlier episode has the new tasks' object: then all of those are failures of theirs."""
    seen, there = cell_objects(CellConfig(robots=1)), cell_objects(CellConfig(1, world=world))
    for task in new:
        missing = set(task.things) - set(there)
        if missing:
            raise InputError(
                f"objects of {task.name}", where=world, got=sorted(there),
                expected=f"{sorted(missing)} among them",
            )  # fmt: skip
        if not set(task.things) - set(seen):
            raise InputError(
                f"task {task.name}", where="new tasks", got=f"objects {list(task.things)}",
                expected="one that no earlier episode has",
                todo="label the old episodes for it, and train with `mtopt train`",
            )  # fmt: skip
