"""An action: what a policy asks of the arm for one control step, and what was really sent."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

import numpy as np

from mtopt_spec.errors import InputError

CONTROL_PERIOD_S = 0.2
MAX_TRANSLATION_M = 0.06
"""Largest displacement of the tool in one control step, each axis."""
MAX_AZIMUTH_RAD = 0.3
"""Largest turn of the tool in one control step; a joint of 2.36 rad/s can follow it."""
MAX_STEPS = 20
"""Control steps of an episode; then it is truncated."""

ACTION_SIZE = 8
ACTION_NAMES = ("dx_m", "dy_m", "dz_m", "azimuth_sin", "azimuth_cos", "close", "open", "terminate")


class Kind(enum.IntEnum):
    """Kinds of commands, equal to `mtopt_msgs/ActionCommanded.KIND_*`."""

    STEP = 0
    HOLD = 1
    HOME = 2
    RETRACT = 3


class ArmError(enum.IntEnum):
    """Why the arm held, equal to `mtopt_msgs/ActionSent.ERROR_*`."""

    NONE = 0
    INVALID_ACTION = 1
    STALE_STATE = 2
    STOPPED = 3
    NO_SOLUTION = 4
    LIMITS = 5
    TRACKING = 6
    STALE_OBSERVATION = 7
    NO_HEARTBEAT = 8
    EFFORT = 9
    BUSY = 10


@dataclass(frozen=True)
class Action:
    """A command for one control step.

    Attributes:
        kind: What is asked for; the fields below count for `STEP` only, but for the gripper's.
        translation_m: (3,) displacement of the tool in the bin's frame, m.
        azimuth_rad: Turn of the tool about the bin's z axis, rad; kept to whole microradians, so
            that the wire's float32 sine and cosine give back the very same number.
        close: Close the gripper.
        open: Open the gripper.
        terminate: End the episode here.
        home_offset_m: (3,) added to the home position, bin frame, m (`HOME` only).
    """

    kind: Kind = Kind.STEP
    translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    azimuth_rad: float = 0.0
    close: bool = False
    open: bool = False
    terminate: bool = False
    home_offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        object.__setattr__(self, "azimuth_rad", round(float(self.azimuth_rad), 6))

    def to_vector(self) -> np.ndarray:
        """The action as the learner sees it: (8,) float32 in the order of `ACTION_NAMES`."""
        return np.array(
            [
                *self.translation_m,
                np.sin(self.azimuth_rad),
                np.cos(self.azimuth_rad),
                self.close,
                self.open,
                self.terminate,
            ],
            np.float32,
        )

    @staticmethod
    def from_vector(vector: np.ndarray) -> Action:
        """The STEP action of a learner's (8,) vector; flags are true from 0.5 on.

        Values are taken as they are: `arm.clamp` refuses what is not finite or out of range.
        """
        if np.shape(vector) != (ACTION_SIZE,):
            raise InputError(
                "action", where="vector", got=f"shape {np.shape(vector)}", expected="shape (8,)"
            )
        v = [float(x) for x in vector]
        return Action(
            Kind.STEP,
            (v[0], v[1], v[2]),
            float(np.arctan2(v[3], v[4])) if np.isfinite(v[3] + v[4]) else float("nan"),
            v[5] >= 0.5,
            v[6] >= 0.5,
            v[7] >= 0.5,
        )

    def problem(self) -> str | None:
        """What is wrong with the action, in words; None when it may be carried out."""
        numbers = (*self.translation_m, self.azimuth_rad, *self.home_offset_m)
        if not all(math.isfinite(number) for number in numbers):
            return f"not finite: {numbers}"
        slack = 1e-6
        if max(abs(x) for x in self.translation_m) > MAX_TRANSLATION_M + slack:
            return f"translation_m {self.translation_m} beyond +-{MAX_TRANSLATION_M} m"
        if abs(self.azimuth_rad) > MAX_AZIMUTH_RAD + slack:
            return f"azimuth_rad {self.azimuth_rad:.3f} beyond +-{MAX_AZIMUTH_RAD} rad"
        if self.close and self.open:
            return "close and open together"
        return None


HOLD = Action(Kind.HOLD)


@dataclass(frozen=True)
class SentAction:
    """What the arm really got: the answer to an `Action`, which a bag records beside it.

    Attributes:
        action: The action after the clamp (kind `HOLD` where the clamp made the arm hold).
        clamped: True where the clamp changed it.
        target_position: (8,) joint targets at the end of the step, rad; finger m.
        arrived: HOME and RETRACT: the pose is reached at the end of this step.
        error: Why the arm holds, or NONE.
        error_msg: The same in words.
    """

    action: Action
    clamped: bool
    target_position: np.ndarray
    arrived: bool = False
    error: ArmError = ArmError.NONE
    error_msg: str = ""

    def held(self) -> SentAction:
        """The same answer as a hold."""
        return replace(self, action=HOLD)
