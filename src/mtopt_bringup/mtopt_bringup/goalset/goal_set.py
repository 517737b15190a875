"""A set of goals on disk: a folder of pictures and one table, whole or refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtopt_learning.checkpoint.folder import check_free, finish_write, write_folder
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal, GoalTruth
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.resources import share_dir

FORMAT = 2
TABLE = "goals.json"
GOAL_CAMERAS = tuple(DEFAULT_IMAGE_SIZES)
"""Unless others are named."""
_PICTURES = r"\d{5}_(start|goal_.+)\.jpg"
RECORDED = "recorded"
"""Kind of a goal from a bag: nobody says what it shows."""


@dataclass(frozen=True)
class ShownGoal:
    """A goal, and where an episode that is to reach it starts.

    Attributes:
        goal: The pictures, and what they show.
        start_jpeg: What the first of the set's cameras saw at the start.
        scene_seed: Of the scene that it is to be reached in; None for one from a bag.
        source: The episode of the bag; "" for one that was demonstrated.
    """

    goal: Goal
    start_jpeg: bytes = field(repr=False)
    scene_seed: int | None = None
    source: str = ""

    @property
    def kind(self) -> str:
        """One of `mtopt_spec.goal.KINDS`, or `RECORDED`."""
        return self.goal.truth.kind if self.goal.truth is not None else RECORDED


@dataclass(frozen=True)
class GoalSet:
    """Goals of one world.

    Attributes:
        goals: In order; a goal's number is its place.
        cameras: That took the pictures of each goal.
        world: Name of an installed world or path of a world file; "" for goals from bags.
        tasks_file: Path of a task file; "" for the installed one.
        about: How it was made, for people: plain data.
    """

    goals: tuple[ShownGoal, ...]
    cameras: tuple[str, ...]
    world: str = ""
    tasks_file: str = ""
    about: Mapping = field(default_factory=dict)

    def __post_init__(self):
        if not self.goals:
            raise InputError("goal set", where="its goals", got="none", expected="at least one")
        for number, shown in enumerate(self.goals):
            if set(shown.goal.images_jpeg) != set(self.cameras):
                raise InputError(
                    "goal set", where=f"goal {number}", got=sorted(shown.goal.images_jpeg),
                    expected=f"pictures of {sorted(self.cameras)}, as of the others",
                )  # fmt: skip

    @property
    def camera(self) -> str:
        """The first one: whose starts and ends are kept."""
        return self.cameras[0]

    def counts(self) -> dict[str, int]:
        """Kind to its number of goals."""
        return dict(Counter(shown.kind for shown in self.goals))

    def world_file(self) -> Path:
        """The world file.

        Raises:
            InputError: There is none (goals from bags), or it is gone.
        """
        if not self.world:
            raise InputError(
                "world", where="goal set", got="goals from bags", expected="goals with a scene",
                todo="make some with `mtopt goals demonstrate`",
            )  # fmt: skip
        path = Path(self.world)
        path = path if path.is_absolute() else share_dir() / "worlds" / path
        if not path.is_file():
            raise InputError("world", where="goal set", got=f"no {path}", expected="a world file")
        return path

    @property
    def fingerprint(self) -> str:
        """12 hex digits that differ where a goal differs."""
        digest = hashlib.sha256(json.dumps(self._table(), sort_keys=True).encode())
        for shown in self.goals:
            for camera in self.cameras:
                digest.update(shown.goal.images_jpeg[camera])
        return digest.hexdigest()[:12]

    def write(self, folder: Path) -> None:
        """Writes the folder aside and renames it whole, over an older goal set.

        Raises:
            InputError: The folder holds something else.
        """
        files = {TABLE: json.dumps({**self._table(), "about": dict(self.about)}, indent=1).encode()}
        for number, shown in enumerate(self.goals):
            files[_start_name(number)] = shown.start_jpeg
            for camera, image in shown.goal.images_jpeg.items():
                files[_goal_name(number, camera)] = image
        Path(folder).resolve().parent.mkdir(parents=True, exist_ok=True)
        write_folder(Path(folder), files, own=_PICTURES)

    def _table(self) -> dict:
        return {
            "format": FORMAT,
            "world": self.world,
            "tasks_file": self.tasks_file,
            "cameras": list(self.cameras),
            "goals": [_row(number, shown) for number, shown in enumerate(self.goals)],
        }


def world_name(path: Path | None) -> str:
    """How a goal set names a world: an installed one by its file's name."""
    installed = share_dir() / "worlds"
    if path is None:
        return "bin_cell.sdf"
    path = Path(path).resolve()
    same = (installed / path.name).resolve() == path
    return path.name if same else str(path)


def read_goal_set(folder: Path) -> GoalSet:
    """Reads what `GoalSet.write` wrote.

    Raises:
        InputError: It is missing, of another format, or damaged.
    """
    folder = Path(folder)
    finish_write(folder)
    todo = "make one with `mtopt goals demonstrate` or `mtopt goals from-bags`"
    try:
        table = json.loads((folder / TABLE).read_text())
    except OSError as error:
        raise InputError(
            "goal set", where=folder, got=f"no {TABLE} ({error.strerror})",
            expected="a folder of goals", todo=todo,
        ) from error  # fmt: skip
    except ValueError as error:
        raise InputError(
            "goal set", where=folder / TABLE, got=f"{error}", expected="JSON", todo=todo
        ) from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        got = table.get("format") if isinstance(table, dict) else type(table).__name__
        raise InputError(
            "format of the goal set", where=folder / TABLE, got=got, expected=FORMAT, todo=todo
        )
    try:
        return GoalSet(
            tuple(_read_goal(folder, row) for row in table["goals"]),
            tuple(map(str, table["cameras"])),
            str(table["world"]),
            str(table["tasks_file"]),
            table.get("about", {}),
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "goal set", where=folder / TABLE, got=f"{type(error).__name__}: {error}",
            expected="the fields of docs/goals.md", todo=todo,
        ) from error  # fmt: skip


def check_goals_folder(folder: Path) -> None:
    """Refuses (`InputError`) a folder that `GoalSet.write` would refuse; for before long work."""
    check_free(folder, (TABLE,), _PICTURES)


def _start_name(number: int) -> str:
    return f"{number:05d}_start.jpg"


def _goal_name(number: int, camera: str) -> str:
    return f"{number:05d}_goal_{camera}.jpg"


def _row(number: int, shown: ShownGoal) -> dict:
    truth = shown.goal.truth
    row = {
        "kind": shown.kind,
        "scene_seed": shown.scene_seed,
        "holding": shown.goal.holding,
        "start": _start_name(number),
        "goal": {camera: _goal_name(number, camera) for camera in shown.goal.images_jpeg},
        "source": shown.source,
    }
    if truth is not None:
        row.update(
            object=truth.object,
            position_bin_m=list(truth.position_bin_m),
            section=truth.section,
        )
    return row


def _read_goal(folder: Path, row: dict) -> ShownGoal:
    kind, seed, truth = row["kind"], row["scene_seed"], None
    if (kind == RECORDED) != (seed is None) or not isinstance(seed, int | None):
        raise TypeError(f"scene_seed {seed!r} of a {kind} goal")
    if kind != RECORDED:
        place = tuple(float(x) for x in row["position_bin_m"])
        if len(place) != 3:
            raise TypeError(f"position_bin_m {place}")
        truth = GoalTruth(kind, str(row["object"]), place, str(row["section"]))
    pictures = {camera: _picture(folder / name) for camera, name in row["goal"].items()}
    goal = Goal(pictures, bool(row["holding"]), truth)
    return ShownGoal(goal, _picture(folder / row["start"]), seed, str(row.get("source", "")))


def _picture(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        decode_jpeg(data)
    except OSError as error:
        raise InputError(
            "picture", where=path, got=f"{error.strerror}", expected="a JPEG of the goal set"
        ) from error
    except InputError as error:
        raise InputError("picture", where=path, got="undecodable", expected="a JPEG") from error
    return data
