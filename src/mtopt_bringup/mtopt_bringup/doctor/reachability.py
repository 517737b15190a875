"""Can the tool point down at every place of the workspace, at every azimuth?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_spec.robot import RobotConfig

MAX_AZIMUTH_RAD = math.pi / 2
"""A gripper of two fingers grasps alike when it is turned by pi: +-pi/2 are all directions."""
PLACES, AZIMUTHS = (7, 9, 5), 13
"""Of the grid, corners among them: along x, y, z; of the tool at each place."""
_STEP_M, _STEP_RAD, _ITERATIONS = 0.03, 0.15, 60


@dataclass(frozen=True)
class Reached:
    """One pose of the grid.

    Attributes:
        pose: x, y, z (m), azimuth (rad), bin frame.
        margin_rad: Of the joint that is nearest to its limit; negative beyond it, NaN where no
            posture was found.
        joint: Its name.
        dexterity: Smallest singular value of the tool's Jacobian; near 0 at a singular posture.
    """

    pose: tuple[float, float, float, float]
    margin_rad: float
    joint: str
    dexterity: float


def reach(
    kinematics: ArmKinematics,
    robot: RobotConfig,
    places: tuple[int, int, int] = PLACES,
    azimuths: int = AZIMUTHS,
) -> list[Reached]:
    """Goes from home to every pose of a grid over the workspace, as the arm would: in small steps.

    Args:
        kinematics: Of the robot.
        robot: Its folder.
        places: Grid points along x, y, z.
        azimuths: At each of them, over +-pi/2.
    """
    home = np.array(robot.home_position, float)
    axes = [
        np.linspace(low, high, count)
        for low, high, count in zip(robot.workspace_low_m, robot.workspace_high_m, places)
    ]
    turns = np.linspace(0.0, MAX_AZIMUTH_RAD, azimuths // 2 + 1)[1:]
    poses = []
    for place in product(*axes):
        straight = np.array([*place, 0.0])
        q = _go(kinematics, home, straight, home)
        poses.append(_reached(kinematics, robot, straight, q))
        for side in (turns, -turns):
            turned = q
            for azimuth in side:
                goal = np.array([*place, azimuth])
                turned = _go(kinematics, turned, goal, home)
                poses.append(_reached(kinematics, robot, goal, turned))
    return poses


def _go(kinematics: ArmKinematics, start: np.ndarray | None, goal: np.ndarray, rest: np.ndarray):
    """(joints,) positions at a pose, from `start` in small steps; None where the way ends."""
    if start is None:
        return None
    here = kinematics.pose(start)
    way = goal - here
    steps = max(np.abs(way[:3]).max() / _STEP_M, abs(way[3]) / _STEP_RAD)
    q = start
    for share in np.linspace(0.0, 1.0, max(1, math.ceil(steps)) + 1)[1:]:
        q = kinematics.solve(here + share * way, q, rest, iterations=_ITERATIONS)
        if q is None:
            return None
    return q


def _reached(kinematics: ArmKinematics, robot: RobotConfig, goal: np.ndarray, q) -> Reached:
    pose = tuple(goal.tolist())
    if q is None:
        return Reached(pose, math.nan, "", 0.0)
    margin = np.minimum(q - kinematics.position_low, kinematics.position_high - q)
    nearest = int(margin.argmin())
    return Reached(pose, float(margin[nearest]), robot.arm_joints[nearest], kinematics.dexterity(q))
