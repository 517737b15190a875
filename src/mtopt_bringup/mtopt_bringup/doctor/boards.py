"""A calibration board in pictures: where its corners are, how well a camera explains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtopt_bringup.doctor.camera_file import CameraInfo
from mtopt_spec.errors import InputError

_KINDS = "checkerboard:COLUMNSxROWS:SQUARE_M or charuco:COLUMNSxROWS:SQUARE_M:MARKER_M"
_DICTIONARY = "DICT_4X4_50"
_MIN_CORNERS = 8


@dataclass(frozen=True)
class Board:
    """A printed board; its frame: x along the columns, y along the rows, z into the board.

    Attributes:
        kind: `checkerboard` (columns and rows of inner corners; the origin is one end of them)
            or `charuco` (of squares, with markers of DICT_4X4_50; the origin is the corner of the
            board).
        columns, rows: How many.
        square_m: Side of a square.
        marker_m: Side of a marker; 0 on a checkerboard.
    """

    kind: str
    columns: int
    rows: int
    square_m: float
    marker_m: float = 0.0


@dataclass(frozen=True)
class Corners:
    """Corners that were found in a picture.

    Attributes:
        points_board_m: (n, 3) in the board's frame.
        pixels: (n, 2) in the picture.
    """

    points_board_m: np.ndarray
    pixels: np.ndarray


def parse_board(text: str) -> Board:
    """The board of an argument such as `checkerboard:8x6:0.025`.

    Raises:
        InputError: It says no board.
    """
    kind, *parts = text.split(":")
    try:
        columns, rows = (int(part) for part in parts[0].split("x"))
        board = Board(kind, columns, rows, *(float(part) for part in parts[1:]))
        lengths = {"checkerboard": 2, "charuco": 3}[kind]
        good = len(parts) == lengths and min(columns, rows) > 2 and board.square_m > 0
    except (KeyError, IndexError, ValueError, TypeError):
        good = False
    if not good or not 0 <= board.marker_m < board.square_m:
        raise InputError("board", where="--board", got=text, expected=_KINDS)
    return board


def find_corners(board: Board, image_hwc_u8: np.ndarray) -> Corners | None:
    """The board's corners in a picture; None where it is not seen.

    Raises:
        InputError: This OpenCV knows no ChArUco boards.
    """
    grey = cv2.cvtColor(image_hwc_u8, cv2.COLOR_RGB2GRAY)
    if board.kind == "checkerboard":
        found, pixels = cv2.findChessboardCornersSB(
            grey, (board.columns, board.rows), flags=cv2.CALIB_CB_ACCURACY
        )
        if not found:
            return None
        column, row = np.meshgrid(np.arange(board.columns), np.arange(board.rows))
        points = np.stack([column.ravel(), row.ravel(), 0 * row.ravel()], axis=1) * board.square_m
        return Corners(points.astype(float), pixels.reshape(-1, 2).astype(float))
    charuco = _charuco(board)
    pixels, ids, _, _ = cv2.aruco.CharucoDetector(charuco).detectBoard(grey)
    if ids is None or len(ids) < _MIN_CORNERS:
        return None
    points = np.asarray(charuco.getChessboardCorners(), float)[ids.ravel()]
    return Corners(points, pixels.reshape(-1, 2).astype(float))


def draw_board(board: Board, pixels_per_m: float, margin_px: int = 0) -> np.ndarray:
    """(h, w) uint8: the board as it is printed."""
    if board.kind == "charuco":
        size = [round(n * board.square_m * pixels_per_m) for n in (board.columns, board.rows)]
        picture = _charuco(board).generateImage(size)
    else:
        side = round(board.square_m * pixels_per_m)
        squares = np.indices((board.rows + 1, board.columns + 1)).sum(axis=0) % 2
        picture = np.kron(squares, np.ones((side, side))).astype(np.uint8) * 255
    return np.pad(picture, margin_px, constant_values=255)


def board_pose(corners: Corners, camera: CameraInfo) -> tuple[np.ndarray, float]:
    """(4, 4) pose of the board in the camera's optical frame, and the residual, px (RMS)."""
    _, rotation, translation = cv2.solvePnP(
        corners.points_board_m, corners.pixels, camera.matrix, camera.distortion
    )
    pixels, _ = cv2.projectPoints(
        corners.points_board_m, rotation, translation, camera.matrix, camera.distortion
    )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(rotation)[0], translation.ravel()
    residual = np.square(pixels.reshape(-1, 2) - corners.pixels).sum(axis=1).mean() ** 0.5
    return pose, float(residual)


def same_frames(board: Board) -> list[np.ndarray]:
    """(4, 4) of the frames that a picture cannot tell apart: a checkerboard has two ends."""
    if board.kind == "charuco":
        return [np.eye(4)]
    turned = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned[:2, 3] = (board.columns - 1) * board.square_m, (board.rows - 1) * board.square_m
    return [np.eye(4), turned]


def calibrate(views: Sequence[Corners], name: str, width_px: int, height_px: int):
    """Intrinsics of a camera from views of a board in different poses.

    Returns:
        The `CameraInfo` (plumb_bob), and the residual, px (RMS).
    """
    residual, matrix, distortion, _, _ = cv2.calibrateCamera(
        [view.points_board_m.astype(np.float32) for view in views],
        [view.pixels.astype(np.float32) for view in views],
        (width_px, height_px), None, None,
    )  # fmt: skip
    flat = np.asarray(distortion, float).ravel()[:5]
    return CameraInfo(name, width_px, height_px, matrix, flat), float(residual)


def is_new_view(view: Corners, others: Sequence[Corners], width_px: int) -> bool:
    """True where the board stands otherwise than in every other view, by 2 % of the width."""
    spread = 0.02 * width_px

    def apart(other: Corners) -> float:
        if len(other.pixels) != len(view.pixels):
            return np.inf
        return float(np.abs(view.pixels - other.pixels).mean())

    return all(apart(other) > spread for other in others)


def _charuco(board: Board):
    if not hasattr(getattr(cv2, "aruco", None), "CharucoDetector"):
        raise InputError(
            "OpenCV", where="--board", got=cv2.__version__, expected="4.7 or newer for ChArUco",
            todo="use a checkerboard",
        )  # fmt: skip
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, _DICTIONARY))
    return cv2.aruco.CharucoBoard(
        (board.columns, board.rows), board.square_m, board.marker_m, dictionary
    )
