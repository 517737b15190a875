"""A camera's intrinsics from a board that a person shows to it."""

from __future__ import annotations

import sys
from pathlib import Path

from mtopt_bringup.doctor.boards import Board, Corners, calibrate, find_corners, is_new_view
from mtopt_bringup.doctor.calibration_checks import MAX_RESIDUAL_PX
from mtopt_bringup.doctor.camera_file import CameraInfo, write_camera_info
from mtopt_bringup.doctor.probe_node import ProbeNode
from mtopt_bringup.ros_visit import RosVisit
from mtopt_spec.errors import InputError
from mtopt_spec.robot import robot_folder

VIEWS = 15
REJECTED = ".rejected"
"""Ending of the file of a calibration that is too bad to be used."""
_PATIENCE_S = 60.0


def calibrate_camera(
    robot: str, namespace: str, camera: str, board: Board | None, out: Path | None, wait_s: float
) -> dict:
    """Takes views until there are enough, writes the file that `robot.yaml` names as `info`.

    Args:
        robot: Folder of params/robots, or a path.
        namespace: Of the robot in the ROS graph.
        camera: Name of the camera.
        board: That is shown.
        out: File; None: `<camera>_camera.yaml` in the robot's folder.
        wait_s: For the first picture, wall time.

    Returns:
        `file` that was written, `views`, `residual_px`, `ok`; `exit_code` 1 where the residual is
        too large.

    Raises:
        InputError: No board is told, no picture comes, or the board is not shown.
    """
    if board is None:
        raise InputError(
            "--board", where="--calibrate", got="none", expected="the board that is shown"
        )
    path = out or robot_folder(robot) / f"{camera}_camera.yaml"
    with RosVisit(lambda context: ProbeNode(namespace, (camera,), context=context)) as visit:
        heard = visit.node.cameras[camera]
        visit.until(visit.node.finds_all, wait_s)
        visit.node.listen_to_cameras()
        if not visit.until(lambda: bool(heard.messages), wait_s):
            raise InputError(
                "pictures", where=heard.topic, got=f"none in {wait_s:g} s", expected="a camera"
            )
        views: list[Corners] = []
        while len(views) < VIEWS:
            heard.messages.clear()
            if not visit.until(lambda: _new_view(board, heard, views), _PATIENCE_S):
                raise InputError(
                    "board", where=heard.topic,
                    got=f"{len(views)} of {VIEWS} views, and no new one in {_PATIENCE_S:g} s",
                    expected="it in new poses: near and far, tilted, in every corner",
                )  # fmt: skip
            sys.stderr.write(f"view {len(views)} of {VIEWS}\n")
        height, width = heard.pictures()[-1].shape[:2]
    info, residual = calibrate(views, camera, width, height)
    return keep_calibration(path, info, residual)


def keep_calibration(path: Path, info: CameraInfo, residual_px: float) -> dict:
    """Writes a calibration to its file; one of too large a residual to `<file>.rejected` instead.

    Returns:
        As `calibrate_camera`.
    """
    good = residual_px <= MAX_RESIDUAL_PX
    file = path if good else path.with_name(path.name + REJECTED)
    write_camera_info(file, info)
    said = "" if good else f", too large: print the board flat; {path} is left as it is"
    sys.stderr.write(f"{file}: residual {residual_px:.2f} px{said}\n")
    return {
        "file": str(file), "views": VIEWS, "residual_px": residual_px, "ok": good,
        "exit_code": int(not good),
    }  # fmt: skip


def _new_view(board: Board, heard, views: list[Corners]) -> bool:
    """Takes the newest picture's view where it is a new one."""
    pictures = heard.pictures()
    if not pictures:
        return False
    picture = pictures[-1]
    view = find_corners(board, picture)
    if view is None or not is_new_view(view, views, picture.shape[1]):
        heard.messages.clear()
        return False
    views.append(view)
    return True
