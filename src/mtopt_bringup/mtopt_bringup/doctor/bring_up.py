"""All checks of a robot, in the order in which a person brings it up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from mtopt_bringup.doctor.boards import Board
from mtopt_bringup.doctor.calibration_checks import (
    check_board,
    check_camera_info,
    no_board,
    pose_matrix,
)
from mtopt_bringup.doctor.checks import FAIL, Check, judged, not_done, table
from mtopt_bringup.doctor.folder_checks import check_folder
from mtopt_bringup.doctor.motion import judge_motion, plan_motion
from mtopt_bringup.doctor.mover_node import MoverNode
from mtopt_bringup.doctor.picture_checks import check_pictures
from mtopt_bringup.doctor.probe_node import HeardCamera, ProbeNode
from mtopt_bringup.doctor.stream_checks import (
    MIN_CAMERA_RATE_HZ,
    MIN_JOINT_RATE_HZ,
    check_joints,
    check_stream,
)
from mtopt_bringup.ros_visit import RosVisit
from mtopt_control.arm.kinematics import ArmKinematics, read_urdf, robot_kinematics
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.errors import InputError
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.robot import DESCRIPTION_TOPIC, RobotConfig, load_robot, robot_folder

MAX_CAMERA_OFFSET_S = 0.15
FIND_S = 3.0
"""To find the cameras of a robot whose joints are found."""


@dataclass(frozen=True)
class BringUp:
    """What is to be checked.

    Attributes:
        robot: Folder of params/robots, or a path.
        namespace: Of the robot in the ROS graph.
        seconds: To listen, wall time.
        wait_s: For the robot to be found, wall time.
        offline: Only what needs no robot.
        move: Move the arm too.
        board: In view of the cameras; None: there is none.
        pose_bin_board: x, y, z (m), quaternion x, y, z, w of the board in the bin's frame.
        cameras: Names of the robot's cameras.
    """

    robot: str
    namespace: str = "robot_1"
    seconds: float = 5.0
    wait_s: float = 10.0
    offline: bool = False
    move: bool = False
    board: Board | None = None
    pose_bin_board: tuple[float, ...] | None = None
    cameras: tuple[str, ...] = tuple(CAMERA_NAMESPACES)


def bring_up(asked: BringUp, may_move: Callable[[str], bool]) -> dict:
    """Makes the checks, tells each to standard error.

    Args:
        asked: Which.
        may_move: Is shown the box and answers whether the arm may move in it.

    Returns:
        `robot`, `namespace`, `time`, `ok`, `failed` and `checks`.

    Raises:
        InputError: There is no such folder, or it lacks a limit.
    """
    folder = robot_folder(asked.robot)
    robot = load_robot(folder)
    checks = [*_folder_checks(asked, robot)] if asked.offline else _visit(asked, robot, may_move)
    sys.stderr.write(table(checks) + "\n")
    failed = [check.name for check in checks if check.state == FAIL]
    return {
        "robot": robot.name,
        "folder": str(folder),
        "namespace": asked.namespace,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "ok": not failed,
        "failed": failed,
        "checks": [
            {"name": c.name, "state": c.state, "detail": c.detail, **c.figures} for c in checks
        ],
    }


def _folder_checks(asked: BringUp, robot: RobotConfig) -> list[Check]:
    urdf = None if robot.urdf == DESCRIPTION_TOPIC else read_urdf(Path(robot.urdf))
    why = "asked for --offline"
    return [*check_folder(robot, urdf), *(not_done(name, why) for name in _live_names(asked))]


def _live_names(asked: BringUp) -> list[str]:
    """Names of the checks that need the robot."""
    names = ["joint states", "joints", "controllers"]
    for camera in asked.cameras:
        names += [f"{camera} {part}" for part in ("pictures", "quality", "camera_info", "board")]
    return [*names, "motion"]


def _visit(asked: BringUp, robot: RobotConfig, may_move: Callable[[str], bool]) -> list[Check]:
    with RosVisit(lambda c: ProbeNode(asked.namespace, asked.cameras, context=c)) as visit:
        node = visit.node
        found = visit.until(lambda: bool(node.names), asked.wait_s)
        if found:
            visit.until(node.finds_all, FIND_S)
            node.listen_to_cameras()
            visit.until(node.sees_all, asked.wait_s)
            node.begin()
            visit.listen(asked.seconds)
            node.ask_who_hears()
        missing = node.missing_controllers(robot)
        by_topic = robot.urdf == DESCRIPTION_TOPIC
        if by_topic and node.urdf is None:
            visit.until(lambda: node.urdf is not None, asked.wait_s)
        urdf = node.urdf if by_topic else read_urdf(Path(robot.urdf))
    checks = check_folder(robot, urdf)
    if urdf is None:
        why = f"nothing on /{asked.namespace}/{DESCRIPTION_TOPIC} in {asked.wait_s:g} s"
        checks[0] = judged("description", [why], "robot_state_publisher publishes it")
    if not found:
        first = judged(
            "joint states",
            [f"nothing on {node.joint_topic} in {asked.wait_s:g} s"],
            "is the robot's driver running, and is ROS_DOMAIN_ID the same?",
        )
        rest = (not_done(name, "no robot was found") for name in _live_names(asked)[1:])
        return [*checks, first, *rest]
    kinematics = _kinematics(robot, urdf)
    checks.append(
        check_stream(
            "joint states", node.joint_topic, node.joints.arrivals(), MIN_JOINT_RATE_HZ,
            robot.max_state_age_s / 2, node.unheard,
        )
    )  # fmt: skip
    joints = check_joints(robot, kinematics, node.names, node.position)
    checks += [joints, judged("controllers", missing, "" if missing else "they listen")]
    pose_bin_tool = None
    if kinematics is not None and joints.state != FAIL:
        here = dict(zip(node.names, node.position))
        pose_bin_tool = _tool_pose(kinematics, np.array([here[j] for j in robot.arm_joints]))
    for name in asked.cameras:
        heard = node.cameras[name]
        ticks = node.simulated_s is not None or not heard.by_driver
        min_rate_hz = MIN_CAMERA_RATE_HZ[ticks]
        checks += _check_camera(asked, robot, name, heard, min_rate_hz, pose_bin_tool)
    if not asked.move:
        return [*checks, not_done("motion", "not asked for: --move")]
    failed = [check.name for check in checks if check.state == FAIL]
    if failed or kinematics is None:
        return [*checks, not_done("motion", f"not before these are right: {', '.join(failed)}")]
    return [*checks, _move(asked, robot, kinematics, may_move)]


def _kinematics(robot: RobotConfig, urdf: str | None) -> ArmKinematics | None:
    """None where folder and description contradict each other; `check_folder` says how."""
    try:
        return None if urdf is None else robot_kinematics(robot, urdf)
    except InputError:
        return None


def _tool_pose(kinematics: ArmKinematics, q: np.ndarray) -> np.ndarray:
    """(4, 4) of a tool that points down."""
    x, y, z, azimuth = kinematics.pose(q)
    return pose_matrix([x, y, z, np.cos(azimuth / 2), np.sin(azimuth / 2), 0.0, 0.0])


def _check_camera(
    asked: BringUp,
    robot: RobotConfig,
    name: str,
    heard: HeardCamera,
    min_rate_hz: float,
    pose_bin_tool,
) -> list[Check]:
    stream = check_stream(
        f"{name} pictures", heard.topic, heard.stream.arrivals(), min_rate_hz,
        MAX_CAMERA_OFFSET_S, heard.unheard,
    )  # fmt: skip
    quality, info, board = (f"{name} {part}" for part in ("quality", "camera_info", "board"))
    pictures = heard.pictures()
    if not pictures:
        why = heard.refused or "no picture came"
        first = judged(quality, [why], "") if heard.refused else not_done(quality, why)
        return [stream, first, *(not_done(part, why) for part in (info, board))]
    checks = [stream, check_pictures(quality, pictures, DEFAULT_IMAGE_SIZES[name])]
    if name not in robot.cameras:
        why = "the folder has no calibration of it"
        return [*checks, not_done(info, why), not_done(board, why)]
    camera = robot.cameras[name]
    checks.append(check_camera_info(info, camera, heard.info))
    if asked.board is None:
        return [*checks, no_board(board)]
    if camera.parent == "tool" and pose_bin_tool is None:
        return [*checks, not_done(board, "nobody knows where the tool is")]
    known = None if asked.pose_bin_board is None else pose_matrix(asked.pose_bin_board)
    return [*checks, check_board(board, asked.board, pictures, camera, known, pose_bin_tool)]


def _move(
    asked: BringUp, robot: RobotConfig, kinematics: ArmKinematics, may_move: Callable[[str], bool]
) -> Check:
    with RosVisit(lambda c: MoverNode(asked.namespace, robot, context=c)) as visit:
        node = visit.node
        if not visit.until(lambda: node.ready, asked.wait_s):
            return judged(
                "motion", [f"no arm_node answers in /{asked.namespace}"],
                "start the robot's nodes, with autostart:=false",
            )  # fmt: skip
        try:
            plan = plan_motion(robot, node.pose)
        except InputError as error:
            return judged("motion", [str(error)], "")
        if not may_move(plan.words()):
            return not_done("motion", "the person said no")
        node.begin(plan)
        visit.until(lambda: node.done, 3.0 * len(plan.actions) * 0.2 + 5.0)
        if node.others:
            return judged(
                "motion", ["somebody else commands the arm"],
                "start its nodes with autostart:=false, and not in lockstep",
            )  # fmt: skip
        if node.refused:
            return judged("motion", [node.refused], "the motion was broken off there")
        if not node.done:
            return judged("motion", ["arm_node did not answer every action"], "")
        visit.listen(0.5)
        followed = node.followed()
    return judge_motion(followed, kinematics)
