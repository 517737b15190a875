"""The shipped robot, and readings of its joints."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from mtopt_control.arm.kinematics import read_urdf
from mtopt_spec.episode import JointState
from mtopt_spec.robot import load_robot

ROOT = Path(__file__).resolve().parents[2]
ROBOT = load_robot(ROOT / "params/robots/iiwa14/robot.yaml")
XACRO = ROOT / "worlds/models/iiwa14_gripper/iiwa14_gripper.urdf.xacro"


@lru_cache(maxsize=1)
def urdf() -> str:
    """Text of the shipped arm's URDF."""
    return read_urdf(XACRO)


def reading(position, finger_m: float = 0.05, stamp_s: float = 0.0, hinge_rad: float = 0.0):
    """A joint reading with the hinge first, as no arm's order may be relied on."""
    values = np.array([hinge_rad, *position, finger_m])
    names = (ROBOT.hinge_joint, *ROBOT.arm_joints, ROBOT.finger_joint)
    return JointState(stamp_s, names, values, np.zeros_like(values), np.zeros_like(values))
