"""What a person chooses of a cell: options of `mtopt cell` and arguments of its launch file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from mtopt_spec.errors import InputError
from mtopt_spec.robot import ARM

SIMULATORS = ("mujoco", "gazebo", "none")
LOGS = "logs"
"""Folder of the processes' output, beside the bags."""


@dataclass(frozen=True)
class CellOptions:
    """What a person chooses of a cell.

    Attributes:
        robots: How many stations.
        episodes: Episodes to collect, of all robots together; 0 goes on until it is stopped.
        out: Folder of the bags.
        seed: Of every random draw.
        tasks: Names of the tasks to offer; none offers all.
        policy: `bootstrap` (each task's own), `random`, `qfunction`, or a policy's name.
        checkpoint: Folder of the Q-function's checkpoint; '' for none.
        detector: Folder of the success detector's checkpoint; '': the simulator's truth rewards.
        epsilon: Share of random actions among the Q-function's.
        sim: `mujoco`; `gazebo`, with its bridge (`ros2 launch` alone); `none`: robots and cameras
            are somebody else's.
        world: World file of the simulator, absolute or below the installed worlds/; '' for
            bin_cell.sdf, in Gazebo with one robot one_station.sdf.
        record: Start the recorder; without it no episode is kept.
        use_sim_time: `auto`: where the clock is a simulator's that waits for nobody; `true` also
            for a replayed /clock; `false` never: MuJoCo, free-running, then goes by the wall
            clock, too.
        lockstep: Physics waits for every robot (MuJoCo).
        real_time_factor: Free-running: simulated seconds a second.
        lockstep_timeout_s: Silence after which a robot is not waited for.
        video: MP4 file of the cell to write; '' for none.
        run: Name of the run: the beginning of its episodes' ids.
        autostart: Robots ask the scheduler for tasks; without it they wait for the actions
            run_episode and reach_goal, until the cell is stopped.
        goals: Folder of goals that the robots are to reach, each once, in place of tasks; '': none.
        max_steps: Control steps of an episode; 0: as in the parameter file.
        tasks_file: Of all nodes; '': the installed one.
        arm: Kind of robot: a folder of params/robots, or a path of one; the worlds have iiwa14.
    """

    robots: int = 7
    episodes: int = 100
    out: str = "bags"
    seed: int = 0
    tasks: tuple[str, ...] = ()
    policy: str = "bootstrap"
    checkpoint: str = ""
    detector: str = ""
    epsilon: float = 0.0
    sim: str = "mujoco"
    world: str = ""
    record: bool = True
    use_sim_time: str = "auto"
    lockstep: bool = True
    real_time_factor: float = 1.0
    lockstep_timeout_s: float = 10.0
    video: str = ""
    run: str = "run"
    autostart: bool = True
    goals: str = ""
    max_steps: int = 0
    tasks_file: str = ""
    arm: str = ARM

    def __post_init__(self):
        for name, allowed in (
            ("sim", SIMULATORS),
            ("use_sim_time", ("auto", "true", "false")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(
                    name, where="cell", got=repr(getattr(self, name)), expected=allowed
                )

        if self.simulated and self.arm != ARM:
            raise InputError("arm", where=f"cell with sim {self.sim}", got=self.arm, expected=ARM)

    @property
    def simulated(self) -> bool:
        """A simulator is part of the cell."""
        return self.sim != "none"

    @property
    def waits(self) -> bool:
        """Physics waits for every robot."""
        return self.sim == "mujoco" and self.lockstep

    @property
    def run_folder(self) -> Path:
        """Of this run's logs, and of what is written for its processes."""
        return Path(self.out) / LOGS / self.run


def options_to_text(options: CellOptions = CellOptions()) -> dict[str, str]:
    """Options as a launch file's arguments: booleans `true`/`false`, lists with commas."""
    return {field.name: _to_text(getattr(options, field.name)) for field in fields(CellOptions)}


def option_help() -> dict[str, str]:
    """What each option means, by name: the words of CellOptions' own description."""
    text = inspect.getdoc(CellOptions).split("Attributes:")[1]
    names = "|".join(field.name for field in fields(CellOptions))
    parts = re.split(rf"^ +({names}): ", text, flags=re.MULTILINE)[1:]
    return {name: " ".join(words.split()) for name, words in zip(parts[::2], parts[1::2])}


def options_from_text(texts: Mapping[str, str]) -> CellOptions:
    """The options that a launch file's arguments mean.

    Raises:
        InputError: An unknown name or a text that is no value of the option.
    """
    kinds = {field.name: field.default for field in fields(CellOptions)}
    values = {}
    for name, text in texts.items():
        if name not in kinds:
            raise InputError("launch argument", where=name, got=name, expected=sorted(kinds))
        try:
            values[name] = _from_text(text, kinds[name])
        except ValueError:
            raise InputError(
                f"launch argument {name}", where="launch", got=repr(text),
                expected=type(kinds[name]).__name__,
            ) from None  # fmt: skip
    return CellOptions(**values)


def _to_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _from_text(text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, tuple):
        return tuple(part for part in text.split(",") if part)
    return type(default)(text)
