"""One robot that shows goals: scripts bring something about, the simulator's truth says what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_bringup.goalset.goal_set import GOAL_CAMERAS, ShownGoal
from mtopt_bringup.goalset.scripts import CLEAN_PICK, CLEAN_PLACE, CLEAN_PUT_DOWN, clean_scripts
from mtopt_bringup.robot_loop import PARTS, RobotLoop
from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_control.episode import requests as ask
from mtopt_control.episode.life_config import LifeConfig
from mtopt_learning.evaluate.schedule import PREPARE_TASK
from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks, make_station
from mtopt_sim.goals import REARRANGED_WITHIN_M
from mtopt_sim.labels import LIFTED_HEIGHT_M
from mtopt_sim.truth import SceneTruth
from mtopt_spec.episode import Episode
from mtopt_spec.goal import Goal, GoalTruth
from mtopt_spec.interfaces import Assignment, EndReason
from mtopt_spec.robot import load_robot, worlds_robot_folder
from mtopt_spec.task import TaskList

MOVED_M = 0.10
"""Least way along the floor to another place of the bin: twice what counts as there."""
_IN_BIN_M = 0.19
_ON_FLOOR_M = 0.08


@dataclass(frozen=True)
class Shown:
    """What came of a demonstration: a goal, or why there is none."""

    goal: ShownGoal | None
    why: str = ""


@dataclass(frozen=True)
class _Ended:
    episode: Episode
    before: SceneTruth
    after: SceneTruth


class Demonstrator:
    """Shows goals in scenes of its world, one after the other.

    What it shows for a kind and seed depends on nothing else.

    Args:
        world: World file; None takes the installed one.
        tasks_file: Tasks of the cell; None takes the installed ones.
    """

    def __init__(self, world: Path | None = None, tasks_file: Path | None = None):
        cell, tasks = CellConfig(robots=1, world=world), cell_tasks(tasks_file)
        life = LifeConfig(robot=cell_robots(cell)[0], run="goals")
        robot = load_robot(worlds_robot_folder())
        arm = ArmCore(robot, read_urdf(robot.urdf))
        self._station = make_station(cell, life.robot)
        self._scripts = clean_scripts(tasks)
        self._lift, self._place = _lift_and_place(tasks)
        self._ended: tuple[Episode, SceneTruth] | None = None
        self._loop = RobotLoop(
            life, self._station, arm, tasks, {}, self, spent_s=Counter(), counts=Counter()
        )

    def write(self, episode: Episode) -> None:
        """Takes each episode at its end, as an `EpisodeSink`."""
        self._ended = episode, self._station.truth()

    def show(self, kind: str, seed: int) -> Shown:
        """Brings about a goal of a kind in the scene of a seed.

        Args:
            kind: One of `mtopt_spec.goal.KINDS`.
            seed: Of the scene and all that is drawn.
        """
        lift = self._perform(Assignment(self._lift, CLEAN_PICK, False, True, seed))
        name = None if lift is None else _lifted(lift)
        if name is None:
            return Shown(None, "nothing lifted")
        if kind == "grasp":
            return self._shown(kind, seed, name, lift, lift)
        script = CLEAN_PLACE if kind == "place" else CLEAN_PUT_DOWN
        put = self._perform(Assignment(self._place, script, False, False, seed))
        if put is None or name not in put.after.names:
            return Shown(None, "a fault while putting down")
        why = _not_placed(put, name) if kind == "place" else _not_rearranged(lift, put, name)
        if why:
            return Shown(None, why)
        return self._shown(kind, seed, name, put if kind == "place" else lift, put)

    def _perform(self, assignment: Assignment) -> _Ended | None:
        """Runs one episode; None for a void one."""
        loop, before = self._loop, None
        self._ended = None
        loop.answer(assignment)
        while not isinstance(loop.parked, ask.AskTask):
            if isinstance(loop.parked, ask.Choose):
                request = loop.parked.request
                if request.step_index == 0:
                    before = self._station.truth()
                loop.answer(self._scripts[request.policy].choose([request])[0])
            else:
                for part in PARTS.values():
                    part(loop)
        loop.ended = []
        if self._ended is None or self._ended[0].end.reason == EndReason.FAULT:
            return None
        return _Ended(self._ended[0], before, self._ended[1])

    def _shown(self, kind: str, seed: int, name: str, start: _Ended, end: _Ended) -> Shown:
        index = end.after.names.index(name)
        place = tuple(round(float(x), 6) for x in end.after.position_bin_m[index])
        truth = GoalTruth(kind, name, place, end.after.section[index])
        seen = end.episode.last_observation.images_jpeg
        goal = Goal({camera: seen[camera] for camera in GOAL_CAMERAS}, kind == "place", truth)
        first = start.episode.steps[0].observation.images_jpeg[GOAL_CAMERAS[0]]
        return Shown(ShownGoal(goal, first, seed))


def _lift_and_place(tasks: TaskList) -> tuple[str, str]:
    """The tasks as which the scripts' episodes run."""
    return tasks.lift_of(None, PREPARE_TASK).name, tasks.easiest("place").name


def _lifted(lift: _Ended) -> str | None:
    """The one object that the script lifted, then ended; None where it did not.

    An episode that its limit ended would go on where the limit is another.
    """
    truth = lift.after
    high = truth.held & (truth.position_bin_m[:, 2] >= LIFTED_HEIGHT_M)
    if high.sum() != 1 or lift.episode.end.reason != EndReason.TERMINATE:
        return None
    return truth.names[int(np.flatnonzero(high)[0])]


def _not_at_rest(put: _Ended, index: int) -> str:
    if put.episode.end.reason != EndReason.TERMINATE:
        return "no time to put it down"
    if put.after.touched[index]:
        return "not let go"
    return "" if put.after.at_rest[index] else "not at rest"


def _not_placed(put: _Ended, name: str) -> str:
    """Why nothing was placed; "" where it was."""
    index = put.after.names.index(name)
    missed = "" if put.after.section[index] else "beside the plate"
    return _not_at_rest(put, index) or missed


def _not_rearranged(lift: _Ended, put: _Ended, name: str) -> str:
    """Why nothing was rearranged; "" where it was."""
    index = put.after.names.index(name)
    x, y, z = put.after.position_bin_m[index]
    outside = max(abs(x), abs(y)) > _IN_BIN_M or z > _ON_FLOOR_M or put.after.section[index]
    was = lift.before.position_bin_m[lift.before.names.index(name)]
    near = np.hypot(x - was[0], y - was[1]) < MOVED_M
    opened = [s.observation.tool_pose_bin for s in put.episode.steps if s.commanded.open]
    lost = not opened or np.hypot(x - opened[-1][0], y - opened[-1][1]) > REARRANGED_WITHIN_M
    return (
        _not_at_rest(put, index)
        or ("not on the bin's floor" if outside else "")
        or ("hardly moved" if near else "")
        or ("lost on the way" if lost else "")
    )
