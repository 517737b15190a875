"""What can be checked of a robot's folder without the robot."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from mtopt_bringup.doctor.camera_file import read_camera_info
from mtopt_bringup.doctor.checks import Check, judged, not_done
from mtopt_bringup.doctor.reachability import reach
from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import ArmKinematics, robot_kinematics
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig

MIN_MARGIN_RAD = 0.02
"""Least distance from a joint's limit that the whole workspace shall leave."""
MIN_DEXTERITY = 0.02
_SHOWN = 4


def check_folder(robot: RobotConfig, urdf: str | None) -> list[Check]:
    """Description, limits, workspace and calibration files.

    Args:
        robot: The folder as it was read: no limit is missing.
        urdf: Text of its description; None where it has not come on its topic.
    """
    names = ("description", "limits", "reachability")
    cameras = _check_camera_files(robot)
    if urdf is None:
        why = "the folder takes it from robot_description, and none came"
        return [*(not_done(name, why) for name in names), cameras]
    try:
        kinematics = robot_kinematics(robot, urdf)
        ArmCore(robot, urdf)
        contradiction = ""
    except InputError as error:
        contradiction = str(error)
    if contradiction:
        why = "the folder and its description contradict each other"
        first = judged("description", [contradiction], "")
        return [first, *(not_done(name, why) for name in names[1:]), cameras]
    detail = f"{robot.name}: {len(robot.arm_joints)} joints, {Path(robot.urdf).name}"
    return [
        judged("description", [], detail),
        _check_limits(robot, kinematics),
        check_reach(robot, kinematics),
        cameras,
    ]


def _check_limits(robot: RobotConfig, kinematics: ArmKinematics) -> Check:
    """All are there (else the folder would not have been read); none is above the URDF's."""
    problems = [
        f"{name} {asked} of {joint} is above the URDF's {limit:g}"
        for name, values, limits in (
            ("max_velocity", robot.max_velocity, kinematics.urdf_max_velocity),
            ("max_effort", robot.max_effort, kinematics.urdf_max_effort),
        )
        for joint, asked, limit in zip(robot.arm_joints, values, limits)
        if asked > limit + 1e-9
    ]
    unlimited = [
        joint
        for joint, low, high in zip(
            robot.arm_joints, kinematics.position_low, kinematics.position_high
        )
        if not high - low < math.inf
    ]
    problems += [f"no position limit of {joint} in the URDF" for joint in unlimited]
    effort = "effort too" if robot.max_effort else "no effort: the robot reports none"
    return judged(
        "limits", problems, f"position, velocity, acceleration and jerk of every joint; {effort}"
    )


def check_reach(robot: RobotConfig, kinematics: ArmKinematics) -> Check:
    """The tool points down in the whole workspace, with margins."""
    poses = reach(kinematics, robot)
    failed = [p for p in poses if not (p.margin_rad >= MIN_MARGIN_RAD)]
    failed += [p for p in poses if p.margin_rad >= MIN_MARGIN_RAD and p.dexterity < MIN_DEXTERITY]
    inside = [p for p in poses if not math.isnan(p.margin_rad)]
    figures = {"poses": len(poses), "not_reached": len(failed)}
    if not inside:
        return judged("reachability", ["no pose of the workspace is reached"], "", **figures)
    tightest = min(inside, key=lambda p: p.margin_rad)
    stiffest = min(inside, key=lambda p: p.dexterity)
    problems = [
        f"{len(failed)} of {len(poses)} poses are not reached within the limits: "
        + ", ".join(_words(p) for p in failed[:_SHOWN])
        + (", ..." if len(failed) > _SHOWN else "")
    ] * bool(failed)
    low, high = np.array(robot.workspace_low_m), np.array(robot.workspace_high_m)
    return judged(
        "reachability", problems,
        f"{len(poses)} poses in {low.tolist()} to {high.tolist()} m, azimuths +-90 degrees: "
        f"nearest limit {math.degrees(tightest.margin_rad):.1f} degrees ({tightest.joint}), "
        f"smallest singular value {stiffest.dexterity:.3f}",
        margin_rad=tightest.margin_rad, margin_joint=tightest.joint, margin_pose=tightest.pose,
        dexterity=stiffest.dexterity, dexterity_pose=stiffest.pose,
        failed_poses=[p.pose for p in failed], **figures,
    )  # fmt: skip


def _words(reached) -> str:
    x, y, z, azimuth = reached.pose
    why = "no posture" if math.isnan(reached.margin_rad) else (
        f"{reached.joint} {math.degrees(reached.margin_rad):.1f} degrees from its limit"
        if reached.margin_rad < MIN_MARGIN_RAD else f"singular value {reached.dexterity:.3f}"
    )  # fmt: skip
    return f"({x:.3f}, {y:.3f}, {z:.3f}) m at {math.degrees(azimuth):.0f} degrees ({why})"


def _check_camera_files(robot: RobotConfig) -> Check:
    if not robot.cameras:
        return not_done("camera files", "the folder has no calibrated camera")
    problems, sizes = [], []
    for name, camera in robot.cameras.items():
        try:
            info = read_camera_info(Path(camera.info))
            sizes.append(f"{name} {info.width_px}x{info.height_px} px")
        except InputError as error:
            problems.append(str(error))
    return judged("camera files", problems, ", ".join(sizes))
