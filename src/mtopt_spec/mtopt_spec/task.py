"""Tasks as data: read from params/tasks.yaml, never listed in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mtopt_spec.errors import InputError
from mtopt_spec.observation import MAX_OPENING_M
from mtopt_spec.resources import share_dir

SKILLS = ("lift", "place")
REQUIREMENTS = ("empty_gripper", "holding")
RULES = {"lifted": {"object"}, "placed": {"section"}, "covered": {"object", "by"}}
"""Rule of success to what it must name."""
LEAST_OPENING_M = 0.004
"""Closed fingers that are closer hold nothing, where a task does not say otherwise."""
_OPTIONAL = {"description", "least_opening_m"}


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: Its name everywhere: `lift-banana`.
        skill: Tasks of one skill share data: `lift` or `place`.
        requires: What the scene must offer at its start: `empty_gripper` or `holding`.
        success: How the simulator's truth judges it in a person's place:
            `{rule: lifted, object: any | NAME}`, `{rule: placed, section: any | NAME}` or
            `{rule: covered, object: any | NAME, by: NAME}`.
        bootstrap_policy: Policy that collects its first data.
        difficulty: Lower ones are collected first.
        description: For people.
        least_opening_m: Where it starts with an object held: closed fingers that are closer than
            this hold nothing. 0: what it starts with is too thin for them to tell; who judges
            says whether the lift of it still holds.
    """

    name: str
    skill: str
    requires: str
    success: Mapping[str, str]
    bootstrap_policy: str
    difficulty: int
    description: str = ""
    least_opening_m: float = LEAST_OPENING_M

    @property
    def object(self) -> str | None:
        """Name of the object that it is about; None where any will do."""
        return _named(self.success.get("object"))

    @property
    def holds(self) -> str | None:
        """Name of the object that the gripper must hold at its start; None where any will do."""
        return _named(self.success.get("by"))

    @property
    def things(self) -> tuple[str, ...]:
        """Names of all objects without which a scene does not offer it."""
        return tuple(name for name in (self.object, self.holds) if name is not None)

    def includes(self, other: Task) -> bool:
        """Whether every success of the other task is one of this: to lift any object, the can."""
        return self.success.keys() == other.success.keys() and all(
            value in ("any", other.success[key]) for key, value in self.success.items()
        )


def _named(name: str | None) -> str | None:
    return None if name == "any" else name


class TaskList(Sequence[Task]):
    """The tasks of a cell, in the order of their file: the order of a network's task input."""

    def __init__(self, tasks: Sequence[Task]):
        self._tasks = tuple(tasks)
        self._index = {task.name: i for i, task in enumerate(self._tasks)}

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, index):
        return self._tasks[index]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(task.name for task in self._tasks)

    def index_of(self, name: str) -> int:
        """Position of a task.

        Raises:
            InputError: There is none of this name.
        """
        if name not in self._index:
            raise InputError(
                "task", where="task list", got=repr(name), expected=f"one of {list(self._index)}"
            )
        return self._index[name]

    def named(self, name: str) -> Task:
        """The task of this name (`InputError` if there is none)."""
        return self._tasks[self.index_of(name)]

    def included(self) -> tuple[tuple[int, ...], ...]:
        """For each task the positions of those that it includes, its own first."""
        return tuple(
            (i, *(k for k, other in enumerate(self) if k != i and task.includes(other)))
            for i, task in enumerate(self)
        )

    def easiest(self, skill: str) -> Task:
        """The first of the easiest tasks of a skill (`InputError` if it has none)."""
        known = [task for task in self._tasks if task.skill == skill]
        if not known:
            raise InputError("skill", where="task list", got=skill, expected="a task that has it")
        return min(known, key=lambda task: task.difficulty)

    def lift_of(self, holds: str | None, otherwise: str) -> Task:
        """The lift after which the gripper holds an object of this name.

        Args:
            holds: The object; None: any.
            otherwise: Name of the lift of any object.

        Raises:
            InputError: No lift is of this object alone, or `otherwise` is no lift.
        """
        if holds is None:
            task = self.named(otherwise)
            if task.requires != "empty_gripper":
                raise InputError(
                    "task that prepares", where="task list", got=task.name,
                    expected="a task that starts with an empty gripper",
                )  # fmt: skip
            return task
        for task in self._tasks:
            if task.requires == "empty_gripper" and task.object == holds:
                return task
        raise InputError(
            "task list", where=f"tasks that start with the {holds} held", got="no lift of it",
            expected=f"a task {{rule: lifted, object: {holds}}}",
        )  # fmt: skip

    def subset(self, names: Sequence[str]) -> TaskList:
        """These tasks, in this list's order (`InputError` for an unknown one)."""
        wanted = {self.index_of(name) for name in names}
        return TaskList([task for i, task in enumerate(self._tasks) if i in wanted])


def load_tasks(path: Path) -> TaskList:
    """Reads a task file; those of the file that it extends come first.

    That file lies beside it, or in the installed params/.

    Raises:
        InputError: The file is missing, is no YAML, or a task lacks or misspells a field, or is
            there twice.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError("task file", where=path, got="no file", expected="tasks.yaml") from None
    except yaml.YAMLError as error:
        raise InputError("task file", where=path, got=f"{error}", expected="YAML") from error
    if not isinstance(data, dict) or not isinstance(data.get("tasks"), dict) or not data["tasks"]:
        raise InputError(
            "task file", where=path, got="no tasks", expected="a mapping `tasks: {name: ...}`"
        )
    before: Sequence[Task] = ()
    if "extends" in data:
        named = str(data["extends"])
        beside = Path(path).parent / named
        before = load_tasks(beside if beside.is_file() else share_dir() / "params" / named)
    twice = {task.name for task in before} & set(data["tasks"])
    if twice:
        raise InputError("tasks", where=path, got=f"{sorted(twice)} again", expected="other names")
    own = [_parse(path, name, fields) for name, fields in data["tasks"].items()]
    return TaskList([*before, *own])


def _parse(path: Path, name: str, fields: object) -> Task:
    where = f"{path}, task {name}"
    if not isinstance(fields, dict):
        raise InputError("task", where=where, got=repr(fields), expected="a mapping of fields")
    allowed = {f for f in Task.__dataclass_fields__ if f != "name"}
    unknown, missing = set(fields) - allowed, allowed - _OPTIONAL - set(fields)
    if unknown or missing:
        raise InputError(
            "task fields",
            where=where,
            got=f"unknown {sorted(unknown)}, missing {sorted(missing)}",
            expected=f"{sorted(allowed)}",
        )
    for key, choices in (("skill", SKILLS), ("requires", REQUIREMENTS)):
        if fields[key] not in choices:
            raise InputError(key, where=where, got=repr(fields[key]), expected=f"one of {choices}")
    opening_m = fields.get("least_opening_m", 0.0)
    if not isinstance(opening_m, (int, float)) or not 0 <= opening_m < MAX_OPENING_M:
        raise InputError(
            "least_opening_m", where=where, got=repr(opening_m),
            expected=f"metres, 0 or more and below {MAX_OPENING_M}",
        )  # fmt: skip
    rule = fields["success"]
    named = set(rule) - {"rule"} if isinstance(rule, dict) else None
    if named is None or RULES.get(rule.get("rule")) != named:
        raise InputError("success", where=where, got=repr(rule), expected=f"a rule of {RULES}")
    return Task(name=name, **fields)
