"""The signs of life that an arm moves by, and why it must hold without them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtopt_spec.action import ArmError

Reason = tuple[ArmError, str]
"""Why an arm holds: a code, and the same in words."""


@dataclass(frozen=True)
class Signs:
    """Stamps of the newest signs, s; minus infinity for one that never came.

    Attributes:
        joint_state_s: Of the reading.
        heartbeat_s: Of the episode node's heartbeat.
        camera_s: Of the newest picture of the camera that is furthest behind.
        observation_s: Of the observation that the action answers.
    """

    joint_state_s: float
    heartbeat_s: float
    camera_s: float
    observation_s: float

    @staticmethod
    def of_now(joint_state_s: float, now_s: float) -> Signs:
        """Where one program looks and acts: only the reading can be old."""
        return Signs(joint_state_s, now_s, now_s, now_s)


@dataclass(frozen=True)
class MaxAges:
    """How old each sign may be, s; see `Signs`."""

    joint_state_s: float
    heartbeat_s: float = math.inf
    camera_s: float = math.inf
    observation_s: float = math.inf


def is_fresh(age_s: float, max_age_s: float) -> bool:
    """True for a sign of this age; one from a little ahead of the clock is as good."""
    return abs(age_s) <= max_age_s + 1e-6


def silence(signs: Signs, ages: MaxAges, now_s: float, *, answers: bool) -> Reason | None:
    """Why the arm must hold for want of a sign; None where it may move.

    Args:
        signs: The newest.
        ages: How old they may be.
        now_s: Time on the clock of the stamps.
        answers: The motion answers an observation; homing and retracting do not.
    """
    watched = [
        ("joint_state_s", ArmError.STALE_STATE, "joint state"),
        ("heartbeat_s", ArmError.NO_HEARTBEAT, "heartbeat"),
        ("camera_s", ArmError.STALE_OBSERVATION, "newest picture"),
    ]
    if answers:
        watched.append(("observation_s", ArmError.STALE_OBSERVATION, "observation"))
    for name, error, what in watched:
        age_s, max_age_s = now_s - getattr(signs, name), getattr(ages, name)
        if max_age_s != math.inf and not is_fresh(age_s, max_age_s):
            return error, f"{what} is {age_s:.3f} s old, at most {max_age_s} s is allowed"
    return None


def overload(effort: np.ndarray, max_effort: tuple[float, ...]) -> Reason | None:
    """Why the arm must give way: a joint's effort, (joints,) N m; NaN of all: none is reported."""
    if not max_effort or np.isnan(effort).all():
        return None
    bad = ~(np.abs(effort) <= max_effort)
    if not bad.any():
        return None
    joint = int(bad.argmax())
    got, most = effort[joint], max_effort[joint]
    return ArmError.EFFORT, f"effort of joint {joint + 1} is {got:.1f}, at most {most} is allowed"
