"""What the controllers of a robot get of a motion: the arm's part, the finger's part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtopt_control.arm.trajectory import Trajectory
from mtopt_spec.robot import RobotConfig


@dataclass(frozen=True)
class GripperGoal:
    """What a gripper without a trajectory is told.

    Attributes:
        position: Of the finger joint, in its own unit.
        max_effort: N; 0 leaves it to the driver.
    """

    position: float
    max_effort: float


def finger_way_m(robot: RobotConfig, joint: float) -> float:
    """Way of a finger for a position of its joint, m."""
    way_m = robot.finger_open_m - robot.finger_closed_m
    turn = robot.gripper.joint_open - robot.gripper.joint_closed
    return robot.finger_closed_m + (joint - robot.gripper.joint_closed) * (way_m / turn)


def finger_joint(robot: RobotConfig, way_m: float) -> float:
    """Position of the finger joint, in its own unit, for a way of the finger."""
    span_m = robot.finger_open_m - robot.finger_closed_m
    turn = robot.gripper.joint_open - robot.gripper.joint_closed
    return robot.gripper.joint_closed + (way_m - robot.finger_closed_m) * (turn / span_m)


def with_finger_joint(robot: RobotConfig, motion: Trajectory) -> Trajectory:
    """The same motion, its last column in the unit of the finger's joint in place of m."""
    positions, velocities = motion.positions.copy(), motion.velocities.copy()
    positions[:, -1] = finger_joint(robot, positions[:, -1])
    velocities[:, -1] = finger_joint(robot, velocities[:, -1]) - finger_joint(robot, 0.0)
    return replace(motion, positions=positions, velocities=velocities)


def controller_trajectories(robot: RobotConfig, motion: Trajectory) -> dict[str, Trajectory]:
    """Topic below the robot's namespace to what its controller gets.

    Args:
        robot: Whose topics say who moves the finger.
        motion: Arm joints, then the finger in m of its way.
    """
    whole = with_finger_joint(robot, motion)
    if robot.gripper.topic == robot.trajectory_topic:
        return {robot.trajectory_topic: whole}
    parts = {robot.trajectory_topic: _columns(whole, slice(None, -1))}
    if robot.gripper.command == "trajectory":
        parts[robot.gripper.topic] = _columns(whole, slice(-1, None))
    return parts


def gripper_goal(robot: RobotConfig, closed: bool) -> GripperGoal:
    """What the gripper is told when it is to close or to open."""
    gripper = robot.gripper
    return GripperGoal(gripper.joint_closed if closed else gripper.joint_open, gripper.max_effort)


def _columns(motion: Trajectory, which: slice) -> Trajectory:
    return Trajectory(
        motion.joint_names[which],
        np.ascontiguousarray(motion.positions[:, which]),
        np.ascontiguousarray(motion.velocities[:, which]),
        motion.times_s,
    )
