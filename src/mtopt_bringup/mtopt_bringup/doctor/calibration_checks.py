"""Does the calibration of the folder explain what the camera sees?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mtopt_bringup.doctor.boards import Board, board_pose, find_corners, same_frames
from mtopt_bringup.doctor.camera_file import CameraInfo, read_camera_info
from mtopt_bringup.doctor.checks import Check, judged, not_done
from mtopt_spec.errors import InputError
from mtopt_spec.robot import CameraConfig

MAX_RESIDUAL_PX = 0.5
MAX_OFFSET_M, MAX_TURN_RAD = 0.01, math.radians(1.0)
"""Of the camera's pose by the board from that of the folder."""
_SAME = 0.01


def check_camera_info(name: str, camera: CameraConfig, told: CameraInfo | None) -> Check:
    """The driver's camera_info says what the folder's file does."""
    try:
        filed = read_camera_info(Path(camera.info))
    except InputError as error:
        return judged(name, [str(error)], "")
    if told is None:
        return judged(name, ["no camera_info came"], "set camera_info_url of the driver")
    problems = []
    sizes = [(info.width_px, info.height_px) for info in (told, filed)]
    if sizes[0] != sizes[1]:
        problems.append(f"the driver says {sizes[0]} px, the folder's file {sizes[1]} px")
    elif not np.allclose(told.matrix, filed.matrix, rtol=_SAME, atol=_SAME * told.width_px):
        problems.append(
            f"the driver says K = {told.matrix.round(1).tolist()}, the folder's file "
            f"{filed.matrix.round(1).tolist()}"
        )
    fx, fy = filed.matrix[0, 0], filed.matrix[1, 1]
    return judged(name, problems, f"focal lengths {fx:.1f}, {fy:.1f} px, as in the folder's file")


def check_board(
    name: str,
    board: Board,
    images_hwc_u8: Sequence[np.ndarray],
    camera: CameraConfig,
    pose_bin_board: np.ndarray | None,
    pose_bin_tool: np.ndarray | None,
) -> Check:
    """Residual of the board's corners, and the camera's pose where the board's is known.

    Args:
        name: Of the check.
        board: That is to be seen.
        images_hwc_u8: Pictures of the camera, at the size of its calibration.
        camera: The folder's calibration.
        pose_bin_board: (4, 4) of the board in the bin's frame; None where nobody knows it.
        pose_bin_tool: (4, 4) of the tool in the bin's frame, for a camera on the wrist.
    """
    info = read_camera_info(Path(camera.info))
    views = [view for image in images_hwc_u8 if (view := find_corners(board, image)) is not None]
    if not views:
        return judged(name, [f"no {board.kind} is seen in {len(images_hwc_u8)} pictures"], "")
    poses, residuals = zip(*(board_pose(view, info) for view in views))
    residual = float(np.median(residuals))
    problems = [f"residual above {MAX_RESIDUAL_PX:g} px: calibrate again"] * (
        residual > MAX_RESIDUAL_PX
    )
    figures = {"residual_px": residual, "views": len(views), "corners": len(views[-1].pixels)}
    detail = f"residual {residual:.2f} px over {len(views)} pictures"
    if pose_bin_board is None:
        detail += "; the camera's pose was not looked at: give --board-pose"
        return judged(name, problems, detail, **figures)
    parent = np.eye(4) if camera.parent == "bin" else pose_bin_tool
    filed = parent @ pose_matrix(camera.pose)
    by_board = [pose_bin_board @ turn @ np.linalg.inv(poses[-1]) for turn in same_frames(board)]
    seen = min(by_board, key=lambda pose: pose_distance(pose, filed))
    offset_m, turn_rad = pose_distance(seen, filed)
    if offset_m > MAX_OFFSET_M or turn_rad > MAX_TURN_RAD:
        own = pose_numbers(np.linalg.inv(parent) @ seen)
        problems.append(
            f"the folder's pose is off by more than {1000 * MAX_OFFSET_M:g} mm or "
            f"{math.degrees(MAX_TURN_RAD):g} degree; by the board it is {own}"
        )
    detail += f"; pose off by {1000 * offset_m:.1f} mm, {math.degrees(turn_rad):.2f} degrees"
    return judged(
        name, problems, detail, offset_m=offset_m, turn_rad=turn_rad,
        pose_by_board=pose_numbers(np.linalg.inv(parent) @ seen), **figures,
    )  # fmt: skip


def no_board(name: str) -> Check:
    """Nobody said that a board is there."""
    return not_done(name, "no --board is given")


def pose_matrix(pose: Sequence[float]) -> np.ndarray:
    """(4, 4) of x, y, z and a quaternion x, y, z, w."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_quat(pose[3:]).as_matrix(), pose[:3]
    return matrix


def pose_numbers(matrix: np.ndarray) -> list[float]:
    """x, y, z and quaternion x, y, z, w of a (4, 4) pose, as robot.yaml has it."""
    quat = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    return [round(float(x), 5) for x in (*matrix[:3, 3], *quat)]


def pose_distance(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Distance (m) and turn (rad) between two (4, 4) poses."""
    between = np.linalg.inv(one) @ other
    return (
        float(np.linalg.norm(between[:3, 3])),
        float(Rotation.from_matrix(between[:3, :3]).magnitude()),
    )
