"""The safety clamp: the one gate that every motion of the arm passes.

It refuses what may not be carried out at all, cuts a motion down until it stays in the workspace
and within every joint's position, velocity and acceleration limit, and says what was left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_control.arm.trajectory import (
    PEAK_VELOCITY,
    Trajectory,
    largest_displacement,
    rest_to_rest,
)
from mtopt_spec.action import CONTROL_PERIOD_S, Action, ArmError
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig

WORKSPACE_SLACK_M = 1e-3
"""The tool counts as outside the workspace from this distance on."""
_MARGIN = 0.999
_ATTEMPTS = 8


@dataclass(frozen=True)
class Motion:
    """Where one control period takes the arm.

    Attributes:
        end: (joints,) positions at its end, rad.
        clamped: True where it is less than what was asked for.
        error: NO_SOLUTION or LIMITS where the arm could not, or not freely, move.
        error_msg: The same in words.
    """

    end: np.ndarray
    clamped: bool
    error: ArmError = ArmError.NONE
    error_msg: str = ""


def is_fresh(state_age_s: float, max_state_age_s: float) -> bool:
    """True for a reading of this age; one from a little ahead of the clock is as good."""
    return abs(state_age_s) <= max_state_age_s + 1e-6


def refusal(
    action: Action, *, state_age_s: float, max_state_age_s: float, stopped: bool
) -> tuple[ArmError, str] | None:
    """Why the arm must hold whatever is asked for; None when it may move."""
    if stopped:
        return ArmError.STOPPED, "stopped: call the resume service to go on"
    if not is_fresh(state_age_s, max_state_age_s):
        return (
            ArmError.STALE_STATE,
            f"joint state is {state_age_s:.3f} s old, at most {max_state_age_s} s is allowed",
        )
    problem = action.problem()
    return (ArmError.INVALID_ACTION, problem) if problem else None


class SafetyClamp:
    """Cuts motions of one control period down to the robot's limits.

    Args:
        robot: Limits and workspace.
        kinematics: Of the same robot.
        period_s: Control period.

    Raises:
        InputError: A velocity limit is above the URDF's, or home or retract are outside the joint
            limits or below the workspace's floor.
    """

    def __init__(
        self, robot: RobotConfig, kinematics: ArmKinematics, period_s: float = CONTROL_PERIOD_S
    ):
        self.period_s = period_s
        self._kinematics = kinematics
        self._joint_low, self._joint_high = kinematics.position_low, kinematics.position_high
        self._rest = np.array(robot.home_position, float)
        self._low, self._high = robot.workspace_low_m, robot.workspace_high_m
        max_velocity = np.array(robot.max_velocity, float)
        if np.any(max_velocity > kinematics.urdf_max_velocity + 1e-6):
            raise InputError(
                "max_velocity",
                where=f"robot {robot.name}",
                got=robot.max_velocity,
                expected=f"not above the URDF's {kinematics.urdf_max_velocity.round(4).tolist()}",
            )
        for key in ("home_position", "retract_position"):
            posture = np.array(getattr(robot, key), float)
            inside = np.all((posture >= self._joint_low) & (posture <= self._joint_high))
            if not inside or kinematics.pose(posture)[2] < self._low[2]:
                raise InputError(
                    key,
                    where=f"robot {robot.name}",
                    got=posture.tolist(),
                    expected="within the URDF's joint limits, tool above the workspace's floor",
                )
        self._reach = _MARGIN * largest_displacement(
            max_velocity, np.array(robot.max_acceleration, float), period_s
        )
        self._finger_reach = robot.finger_max_velocity * period_s / PEAK_VELOCITY
        self._joint_names = (*robot.arm_joints, robot.finger_joint)

    def toward_pose(
        self, start: np.ndarray, displacement: tuple[float, float, float, float]
    ) -> Motion:
        """Moves the tool by x, y, z (m), azimuth (rad), as far as the limits let it.

        A tool that is outside the workspace already may come back, but go no further out.
        """
        pose = self._kinematics.pose(start)
        way, outside_m = list(displacement), -math.inf
        for axis, (here, low, high) in enumerate(zip(pose.tolist(), self._low, self._high)):
            way[axis] = min(max(here + way[axis], min(low, here)), max(high, here)) - here
            outside_m = max(outside_m, low - here, here - high)
        cut = any(abs(mine - asked) > 1e-9 for mine, asked in zip(way, displacement))
        error, error_msg = ArmError.NONE, ""
        if outside_m > WORKSPACE_SLACK_M:
            error = ArmError.LIMITS
            error_msg = f"tool at {pose[:3].round(3).tolist()} m is outside the workspace"
        if max(map(abs, way)) < 1e-9:
            return Motion(start, cut, error, error_msg)
        wanted, share = np.array(way), 1.0
        end = self._kinematics.solve(pose + wanted, start, self._rest)
        for _ in range(_ATTEMPTS):
            shorter = 0.5
            if end is not None and self._joints_allow(start, end):
                excess = self._excess(start, end)
                if excess <= 1.0:
                    return Motion(end, cut or share < 1.0, error, error_msg)
                shorter = 0.98 / excess
            share *= shorter
            guess = start if end is None else start + shorter * (end - start)
            end = self._kinematics.solve(pose + share * wanted, guess)
        return Motion(
            start, True, ArmError.NO_SOLUTION, "no posture within the limits on the way there"
        )

    def toward_posture(self, start: np.ndarray, goal: np.ndarray) -> Motion:
        """Moves all joints in proportion towards (joints,) `goal`, as far as the limits let."""
        low, high = np.minimum(self._joint_low, start), np.maximum(self._joint_high, start)
        goal = np.minimum(np.maximum(goal, low), high)
        way = goal - start
        excess = self._excess(start, goal)
        end = goal if excess <= 1.0 else start + way / excess
        floor = self._low[2] - WORKSPACE_SLACK_M
        height = self._kinematics.pose(end)[2]
        if height < floor and height < self._kinematics.pose(start)[2]:
            return Motion(start, True, ArmError.LIMITS, "the way there leads below the floor")
        return Motion(end, excess > 1.0)

    def trajectory(
        self, start: np.ndarray, end: np.ndarray, finger: float, finger_goal: float
    ) -> Trajectory:
        """The trajectory to send; the finger goes as far towards its goal as its speed lets.

        Raises:
            RuntimeError: The motion is beyond a limit, which no caller can bring about.
        """
        if not self._excess(start, end) <= 1.0001:
            raise RuntimeError(f"motion {end - start} is beyond the limits {self._reach}")
        if not self._joints_allow(start, end):
            raise RuntimeError(f"posture {end} is outside the joint limits")
        reach = self._finger_reach
        finger_end = finger + min(max(finger_goal - finger, -reach), reach)
        return rest_to_rest(
            self._joint_names,
            np.concatenate((start, (finger,))),
            np.concatenate((end, (finger_end,))),
            self.period_s,
        )

    def _excess(self, start: np.ndarray, end: np.ndarray) -> float:
        """Largest share of a joint's reach in one control period that the motion takes."""
        return float((np.abs(end - start) / self._reach).max())

    def _joints_allow(self, start: np.ndarray, end: np.ndarray) -> bool:
        """True where each joint is within its limits at the end, or comes closer to them."""
        above = end >= np.minimum(self._joint_low, start) - 1e-9
        below = end <= np.maximum(self._joint_high, start) + 1e-9
        return bool((above & below).all())
