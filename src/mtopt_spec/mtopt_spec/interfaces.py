"""What the cell's parts say to each other, whether by message or by call.

Every dataclass here has its twin in mtopt_msgs; every protocol is served by a node in the ROS
graph and called directly in the in-process loop.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mtopt_spec.action import Action
from mtopt_spec.goal import Goal
from mtopt_spec.observation import Observation


class EndReason(enum.IntEnum):
    """Equal to `mtopt_msgs/EpisodeEnd.REASON_*`."""

    TERMINATE = 0
    LIMIT = 1
    FAULT = 2


class Fault(enum.IntEnum):
    """Equal to `mtopt_msgs/EpisodeEnd.FAULT_*`."""

    NONE = 0
    STALE_OBSERVATION = 1
    ARM = 2
    POLICY = 3
    JUDGE = 4
    RECORDER = 5
    INTERRUPTED = 6
    EMPTY_GRIPPER = 7


@dataclass(frozen=True)
class PolicyRequest:
    """What to do in this state? (`mtopt_msgs/ChooseAction`)"""

    robot: str
    episode_id: str
    step_index: int
    seed: int
    task: str
    policy: str
    observation: Observation
    goal: Goal | None = None


@dataclass(frozen=True)
class PolicyAnswer:
    """The action, and its Q in [0, 1] (NaN for policies without one); `error` 0 is none."""

    action: Action
    q_value: float = float("nan")
    checkpoint: str = ""
    error: int = 0
    error_msg: str = ""


class Policy(Protocol):
    """Chooses actions for several robots at once."""

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request, in order. A request that cannot be served gets an error code."""


@dataclass(frozen=True)
class TaskLabel:
    """One judgement of one task on an episode's last state (`mtopt_msgs/TaskLabel`)."""

    task: str
    success: bool
    probability: float
    source: str


class SuccessJudge(Protocol):
    """Judges the last state of an episode: the success detector, or the simulator's truth."""

    def judge(self, robot: str, observation: Observation) -> list[TaskLabel]:
        """A label for every task that it knows."""


@dataclass(frozen=True)
class EpisodeReport:
    """How the last episode went, as told to the scheduler; `message` is of a fault."""

    task: str
    policy: str
    success: bool
    fault: Fault = Fault.NONE
    message: str = ""

    @property
    def void(self) -> bool:
        """Whether it does not count: a fault ended it, or kept it from its beginning."""
        return self.fault != Fault.NONE


@dataclass(frozen=True)
class TaskRequest:
    """What shall this robot do next? (`mtopt_msgs/AssignTask`); `objects`: () where not known."""

    stamp_s: float
    robot: str
    episode_number: int
    holding: bool
    report: EpisodeReport | None
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """What a robot does next; with a goal its task is `REACH_GOAL`."""

    task: str
    policy: str
    reset_bin: bool
    new_scene: bool
    seed: int
    goal: Goal | None = None


class Scheduler(Protocol):
    """Gives each robot its own task."""

    def assign(self, request: TaskRequest) -> Assignment | None:
        """The next assignment; None when the run has its episodes."""
