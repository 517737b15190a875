"""The safety clamp: the one gate that every motion of the arm passes.

It refuses what may not be carried out at all, cuts a motion down until it stays in the workspace,
clear of the bin and within every joint's position, velocity, acceleration and jerk limit, and says
what was left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtopt_control.arm.bin_shapes import BinShapes
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_control.arm.time_law import PEAK_VELOCITY
from mtopt_control.arm.trajectory import (
    Trajectory,
    largest_displacement,
    rest_to_rest,
)
from mtopt_spec.action import CONTROL_PERIOD_S, ArmError
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig

WORKSPACE_SLACK_M = 1e-3
"""The tool counts as outside the workspace from this distance on."""
PATH_SLACK_M = 2e-3
"""Motions are straight in joint space: between two points the tool may bow out by so much."""
TOUCH_M = 2e-3
"""Gripper and bin may meet by so much: pads and tray give way."""
BULGE_M = 1e-4
"""A way out of a deeper touch may press so much deeper before it comes out."""
_MARGIN = 0.999
_ATTEMPTS = 8
_SAMPLES = np.linspace(0.0, 1.0, 6)
"""Shares of a motion at which its way is looked at."""


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


class SafetyClamp:
    """Cuts motions of one control period down to the robot's limits.

    Args:
        robot: Limits and workspace.
        kinematics: Of the same robot.
        period_s: Control period.

    Raises:
        InputError: A velocity limit is above the URDF's, or home or retract are outside the joint
            limits, below the workspace's floor or in the bin's parts.
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
        self._bin = BinShapes(robot)
        for key in ("home_position", "retract_position"):
            self._check_posture(robot, key)
        self._reach = _MARGIN * largest_displacement(
            max_velocity,
            np.array(robot.max_acceleration, float),
            np.array(robot.max_jerk, float),
            period_s,
        )
        self._finger_reach = robot.finger_max_velocity * period_s / PEAK_VELOCITY
        self._joint_names = (*robot.arm_joints, robot.finger_joint)

    def _check_posture(self, robot: RobotConfig, key: str) -> None:
        """Raises `InputError` where the arm may not rest in a posture of its file."""
        posture = np.array(getattr(robot, key), float)
        problems = [
            f"{name} at {q:.3f} rad, its limits are {low:.3f} to {high:.3f}"
            for name, q, low, high in zip(
                robot.arm_joints, posture, self._joint_low, self._joint_high
            )
            if not low <= q <= high
        ]
        pose = self._kinematics.pose(posture)
        tool = f"tool at {pose[:3].round(3).tolist()} m in the bin's frame"
        if pose[2] < self._low[2]:
            problems.append(f"{tool}, below the workspace's floor at {self._low[2]} m")
        depth_m = self._depth_m(posture[None], robot.finger_open_m)
        if depth_m > TOUCH_M:
            problems.append(f"{tool}, the gripper {depth_m:.3f} m deep in the bin's parts")
        if problems:
            raise InputError(
                key, where=f"robot {robot.name}", got="; ".join(problems),
                expected="joints within the URDF's limits, in radians, and the open gripper clear",
                todo="drive the arm over the bin by its pendant and copy its joint_states",
            )  # fmt: skip

    def toward_pose(
        self,
        start: np.ndarray,
        displacement: tuple[float, float, float, float],
        finger_m: float,
    ) -> Motion:
        """Moves the tool by x, y, z (m), azimuth (rad), as far as the limits let it.

        A tool that is outside the workspace already may come back, but go no further out.

        Args:
            start: (joints,) positions.
            displacement: In the bin's frame.
            finger_m: Widest position of the finger joint on the way.
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
                if excess > 1.0:
                    shorter = 0.98 / excess
                elif self._way_is_clear(start, end, finger_m, boxed=True):
                    return Motion(end, cut or share < 1.0, error, error_msg)
            share *= shorter
            guess = start if end is None else start + shorter * (end - start)
            end = self._kinematics.solve(pose + share * wanted, guess)
        return Motion(
            start, True, ArmError.NO_SOLUTION, "no posture within the limits on the way there"
        )

    def toward_posture(
        self, start: np.ndarray, goal: np.ndarray, finger_m: float, *, boxed: bool = False
    ) -> Motion:
        """Moves all joints in proportion towards (joints,) `goal`, as far as the limits let.

        Args:
            start: (joints,) positions.
            goal: (joints,) positions.
            finger_m: Widest position of the finger joint on the way.
            boxed: Stay in the workspace; else only above its floor.
        """
        low, high = np.minimum(self._joint_low, start), np.maximum(self._joint_high, start)
        goal = np.minimum(np.maximum(goal, low), high)
        way = goal - start
        excess = self._excess(start, goal)
        end = goal if excess <= 1.0 else start + way / excess
        if np.array_equal(start, end):
            return Motion(end, False)
        for _ in range(_ATTEMPTS):
            if self._way_is_clear(start, end, finger_m, boxed=boxed):
                return Motion(end, excess > 1.0)
            end = start + 0.5 * (end - start)
            excess = math.inf
        return Motion(
            start, True, ArmError.LIMITS, "the way there leads below the floor or into the bin"
        )

    def _way_is_clear(
        self, start: np.ndarray, end: np.ndarray, finger_m: float, *, boxed: bool
    ) -> bool:
        """True where the tool stays in the workspace and the gripper clear of the bin.

        Where it does not to begin with, it may not get worse, but for `BULGE_M` on the way: one
        of joints in proportion is no straight line.

        Args:
            start: (joints,) positions at its beginning.
            end: (joints,) positions at its end.
            finger_m: Widest position of the finger joint.
            boxed: Of the workspace all sides count, else its floor alone.
        """
        rotations, positions = self._tools(start + _SAMPLES[:, None] * (end - start))
        slack_m, outside = PATH_SLACK_M, np.maximum(self._low - positions, positions - self._high)
        if not boxed:
            slack_m, outside = WORKSPACE_SLACK_M, self._low[2] - positions[:, 2:]
        if np.any(outside[1:] > np.maximum(slack_m, outside[0] + 1e-6)):
            return False
        depth_m = self._bin.depth_m(rotations, positions, finger_m)
        if depth_m <= TOUCH_M:
            return True
        begun_m = self._bin.depth_m(rotations[:1], positions[:1], finger_m)
        ended_m = self._bin.depth_m(rotations[-1:], positions[-1:], finger_m)
        return depth_m <= begun_m + BULGE_M and ended_m <= begun_m + 1e-6

    def _depth_m(self, postures: np.ndarray, finger_m: float) -> float:
        return self._bin.depth_m(*self._tools(postures), finger_m)

    def _tools(self, postures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3, 3) rotations and (n, 3) positions of the tool for (n, joints) postures."""
        tools = [self._kinematics.tool(posture) for posture in postures]
        return np.stack([t[0] for t in tools]), np.stack([t[1] for t in tools])

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
