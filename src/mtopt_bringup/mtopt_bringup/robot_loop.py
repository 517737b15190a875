"""One robot without messages: its station, its arm and its life, joined by calls."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.bin_reset.tipping import tip_bin
from mtopt_control.episode import requests as ask
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.machine import run_robot
from mtopt_control.episode.requests import CellFault
from mtopt_sim.cell import new_scene, truth_labels
from mtopt_sim.station import Station
from mtopt_sim.station_tick import advance, look
from mtopt_spec.action import Kind
from mtopt_spec.episode import Episode, EpisodeBegin, EpisodeEnd, JointState, Step
from mtopt_spec.goal import Goal
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import Fault, Policy
from mtopt_spec.observation import Observation
from mtopt_spec.task import TaskList

_LOG = logging.getLogger("mtopt.collect")
READINGS_PER_PERIOD = 5
"""Joint readings a control period, as params/simulator_node.yaml has it."""


class EpisodeSink(Protocol):
    """Takes whole episodes."""

    def write(self, episode: Episode) -> None:
        """Stores an episode; OSError where the disk does not take it."""


@dataclass
class _Recording:
    begin: EpisodeBegin
    goal: Goal | None
    steps: list[Step]
    joint_states: list[JointState]


class RobotLoop:
    """Drives one robot's life up to the next question that others must answer.

    A control period is its `PARTS`, in their order.

    Args:
        life: Of the robot.
        station: Its part of the cell.
        arm: Its arm.
        tasks: Of the cell.
        policies: Those that this process answers itself, by name.
        sink: Takes its episodes; None throws them away.
        spent_s: It adds the processor time of what happens within `go_on`, by purpose.
        counts: It adds `control_steps`, `pictures`, `refused`.

    Attributes:
        parked: The request that waits: `Act` for the next tick, or `AskTask`, `Choose`, `Judge`
            for an answer. None once the life is over.
        ended: Ends of its episodes since they were last taken, each with its begin.
    """

    def __init__(
        self,
        life: LifeConfig,
        station: Station,
        arm: ArmCore,
        tasks: TaskList,
        policies: dict[str, Policy],
        sink: EpisodeSink | None,
        spent_s: Counter,
        counts: Counter,
    ):
        self._life, self._station, self._arm = life, station, arm
        self._tasks, self._policies, self._sink = tasks, policies, sink
        self._stack: list[Generator] = [run_robot(life, tasks)]
        self._tick = 0
        self._reading = station.joint_state(0.0)
        self._recording: _Recording | None = None
        self._spent_s, self._counts = spent_s, counts
        self.ended: list[tuple[EpisodeBegin, EpisodeEnd]] = []
        self.parked: ask.Request | None = self._run(lambda life: next(life))

    @property
    def robot(self) -> str:
        """Its name."""
        return self._life.robot

    @property
    def station(self) -> Station:
        """Its part of the cell."""
        return self._station

    def answer(self, answer: object) -> None:
        """Answers the parked question; a `CellFault` is thrown into the life."""
        if isinstance(answer, CellFault):
            self.parked = self._run(lambda life: life.throw(answer))
        else:
            self.parked = self._run(lambda life: life.send(answer))

    def command(self) -> None:
        """Sends the parked `Act` to this station: a control period's first part."""
        act = self.parked
        assert isinstance(act, ask.Act)
        now_s = self._tick * self._life.control_period_s
        self._sent, trajectory = self._arm.step(act.action, self._reading, now_s)
        if len(trajectory.times_s):
            self._station.command_trajectory(
                trajectory.positions, trajectory.velocities, trajectory.times_s
            )
        if act.hinge_angle_rad is not None:
            self._station.command_hinge(act.hinge_angle_rad)

    def move(self) -> None:
        """Lets the control period pass."""
        self._tick += 1
        self._readings = advance(
            self._station, self._tick, self._life.control_period_s, READINGS_PER_PERIOD
        )
        self._reading = self._readings[-1]
        self._counts["control_steps"] += 1

    def look(self) -> None:
        """Takes the pictures at its end."""
        kind = self.parked.action.kind
        # On the way to somewhere nobody looks at the pictures.
        seen = kind == Kind.STEP or (kind == Kind.HOME and self._sent.arrived)
        cameras = self._life.camera_names if seen else ()
        self._images = look(self._station, cameras)
        self._counts["pictures"] += len(cameras)

    def observe(self) -> None:
        """Makes an observation of them."""
        self._observation = self._observed(self._images)

    def go_on(self) -> None:
        """Tells the life what came of it."""
        if self._recording is not None:
            self._recording.joint_states.extend(self._readings)
        self.answer((self._sent, self._observation))

    def close(self) -> None:
        """Ends the life where it stands; an episode that runs is forgotten."""
        for life in reversed(self._stack):
            life.close()
        self._stack, self.parked, self._recording = [], None, None

    def _observed(self, images_hwc_u8: Mapping[str, np.ndarray]) -> Observation:
        jpeg = {name: encode_jpeg(image) for name, image in images_hwc_u8.items()}
        return self._arm.observation(self._reading, jpeg)

    def _run(self, resume: Callable[[Generator], object]) -> ask.Request | None:
        """Lets the life go on until it asks what this process cannot answer."""
        while True:
            try:
                request = resume(self._stack[-1])
            except StopIteration as end:
                self._stack.pop()
                if not self._stack:
                    return None
                resume = _sender(end.value)
                continue
            except CellFault as fault:  # a sub-plan gave up
                self._stack.pop()
                if not self._stack:
                    raise
                resume = _thrower(fault)
                continue
            if isinstance(request, ask.ResetBin):
                self._stack.append(tip_bin(self._arm.robot, request.seed))
                resume = next
                continue
            try:
                known, answer = self._try_answer(request)
            except CellFault as fault:
                resume = _thrower(fault)
                continue
            if not known:
                return request if not isinstance(request, ask.AskTask) else self._stamped(request)
            resume = _sender(answer)

    def _stamped(self, request: ask.AskTask) -> ask.AskTask:
        stamp_s = self._tick * self._life.control_period_s
        return ask.AskTask(replace(request.request, stamp_s=stamp_s))

    def _try_answer(self, request: ask.Request) -> tuple[bool, object]:
        """(True, answer) of a request that this robot answers itself, else (False, None)."""
        if isinstance(request, ask.Choose):
            policy = self._policies.get(request.request.policy)
            if policy is None:
                return False, None
            began_s = time.thread_time()
            answer = policy.choose([request.request])[0]
            self._spend("policy", began_s)
            return True, answer
        if isinstance(request, (ask.Act, ask.AskTask, ask.Judge)):
            return False, None
        if isinstance(request, ask.RecordStep):
            if self._recording is not None:
                self._recording.steps.append(request.step)
        elif isinstance(request, ask.Begin):
            self._recording = _Recording(request.begin, request.goal, [], [self._reading])
        elif isinstance(request, ask.End):
            return True, self._end(request.end, request.last_observation)
        elif isinstance(request, ask.LabelByTruth):
            goal = request.goal.truth if request.goal is not None else None
            return True, list(truth_labels(self._station, self._tasks, goal))
        elif isinstance(request, ask.ReadHinge):
            index = self._reading.names.index(self._arm.robot.hinge_joint)
            return True, float(self._reading.position[index])
        elif isinstance(request, ask.NewScene):
            began_s = time.thread_time()
            new_scene(self._station, request.seed)
            self._reading = self._station.joint_state(self._reading.stamp_s)
            self._spend("new_scene", began_s)
            return True, tuple(self._station.objects)
        elif isinstance(request, ask.Look):
            return True, self._observed(look(self._station, self._life.camera_names))
        elif isinstance(request, ask.Recover):
            # what is lost on the way is nobody's fault
            level = logging.DEBUG if request.fault is Fault.EMPTY_GRIPPER else logging.WARNING
            _LOG.log(level, "%s: %s: %s", self.robot, request.fault.name, request.message)
        else:
            raise TypeError(f"request of {self.robot}: got {type(request).__name__}")
        return True, None

    def _end(self, end: EpisodeEnd, last_observation: Observation) -> bool:
        """Stores the episode; False where the disk refused it."""
        began_s = time.thread_time()
        recording, self._recording = self._recording, None
        if recording is None:
            return False
        recorded = True
        if self._sink is not None:
            episode = Episode(
                recording.begin, tuple(recording.steps), last_observation,
                tuple(recording.joint_states), end, recording.goal,
            )  # fmt: skip
            try:
                self._sink.write(episode)
            except OSError as error:
                _LOG.error("%s: episode refused: %s", end.episode_id, error)
                recorded = False
        self._spend("record", began_s)
        if recorded:
            self.ended.append((recording.begin, end))
        else:
            self._counts["refused"] += 1
        return recorded

    def _spend(self, what: str, began_s: float) -> None:
        self._spent_s[what] += time.thread_time() - began_s


PARTS: Mapping[str, Callable[[RobotLoop], None]] = {
    "arm": RobotLoop.command,
    "physics": RobotLoop.move,
    "render": RobotLoop.look,
    "observe": RobotLoop.observe,
    "life": RobotLoop.go_on,
}
"""A control period, part by part, under the names of what each spends."""


def _sender(value: object) -> Callable[[Generator], object]:
    return lambda life: life.send(value)


def _thrower(fault: CellFault) -> Callable[[Generator], object]:
    return lambda life: life.throw(fault)
