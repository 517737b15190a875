"""An episode as it is recorded: begin, steps, end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_spec.action import Action, SentAction
from mtopt_spec.goal import Goal
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import Observation

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class JointState:
    """Joint positions, velocities and efforts at one time (`sensor_msgs/JointState`).

    Attributes:
        stamp_s: Time of the reading.
        names: (n,) joint names.
        position: (n,) float64, rad (gripper: m).
        velocity: (n,) float64, rad/s (gripper: m/s).
        effort: (n,) float64, Nm (gripper: N).
    """

    stamp_s: float
    names: tuple[str, ...]
    position: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray


@dataclass(frozen=True)
class EpisodeBegin:
    """The first record of an episode (`mtopt_msgs/EpisodeBegin`)."""

    stamp_s: float
    robot: str
    episode_id: str
    episode_number: int
    seed: int
    task: str
    policy: str
    checkpoint: str
    control_period_s: float
    camera_names: tuple[str, ...]


@dataclass(frozen=True)
class EpisodeEnd:
    """The last record of an episode (`mtopt_msgs/EpisodeEnd`)."""

    stamp_s: float
    episode_id: str
    reason: EndReason
    fault: Fault
    fault_msg: str
    steps: int
    success: bool
    success_probability: float
    success_source: str
    labels: tuple[TaskLabel, ...]
    dropped_frames: int = 0
    late_frames: int = 0


@dataclass(frozen=True)
class Step:
    """One control step: what was seen, what was asked for, what was sent."""

    observation: Observation
    commanded: Action
    sent: SentAction


@dataclass(frozen=True)
class Episode:
    """A complete episode.

    Attributes:
        begin: Its first record.
        steps: The control steps, `end.steps` of them.
        last_observation: Seen after the last step: the state that is judged.
        joint_states: All readings from the first observation's stamp to the last one's.
        end: Its last record.
        goal: That it was to reach, if there was one.
    """

    begin: EpisodeBegin
    steps: tuple[Step, ...]
    last_observation: Observation
    joint_states: tuple[JointState, ...]
    end: EpisodeEnd
    goal: Goal | None = None
