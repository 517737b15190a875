"""A camera's calibration file, as camera_calibration writes and camera_info_manager reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside

MODELS = {"plumb_bob": 5, "rational_polynomial": 8}
"""Distortion models that OpenCV's pinhole camera knows, and how many coefficients each has."""


@dataclass(frozen=True)
class CameraInfo:
    """Intrinsics.

    Attributes:
        name: Of the camera.
        width_px, height_px: Of its picture.
        matrix: (3, 3) K.
        distortion: (n,) D of `plumb_bob` (5) or `rational_polynomial` (8).
    """

    name: str
    width_px: int
    height_px: int
    matrix: np.ndarray
    distortion: np.ndarray


def read_camera_info(path: Path) -> CameraInfo:
    """Reads a file.

    Raises:
        InputError: There is none, or it is no such file.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
        info = CameraInfo(
            str(data["camera_name"]), int(data["image_width"]), int(data["image_height"]),
            np.array(data["camera_matrix"]["data"], float).reshape(3, 3),
            np.array(data["distortion_coefficients"]["data"], float),
        )  # fmt: skip
        model = data["distortion_model"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "camera calibration", where=path, got=f"{type(error).__name__}: {error}",
            expected="the YAML that camera_calibration writes",
        ) from error  # fmt: skip
    if MODELS.get(str(model)) != info.distortion.size or not np.all(np.isfinite(info.distortion)):
        raise InputError(
            "distortion", where=path, got=f"{model} {info.distortion.tolist()}",
            expected=f"one of these, with so many finite coefficients: {MODELS}",
        )  # fmt: skip
    if min(info.width_px, info.height_px) < 1:
        raise InputError(
            "picture", where=path, got=f"{info.width_px}x{info.height_px} px", expected="1 or more"
        )
    if not np.all(np.isfinite(info.matrix)) or min(info.matrix[0, 0], info.matrix[1, 1]) <= 0:
        raise InputError(
            "camera_matrix", where=path, got=info.matrix.tolist(), expected="focal lengths above 0"
        )
    return info


def write_camera_info(path: Path, info: CameraInfo) -> None:
    """Replaces a file as a whole."""
    projection = np.hstack([info.matrix, np.zeros((3, 1))])
    data = {
        "image_width": info.width_px,
        "image_height": info.height_px,
        "camera_name": info.name,
        "camera_matrix": _matrix(info.matrix),
        "distortion_model": next(m for m, size in MODELS.items() if size == len(info.distortion)),
        "distortion_coefficients": _matrix(info.distortion[None]),
        "rectification_matrix": _matrix(np.eye(3)),
        "projection_matrix": _matrix(projection),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, yaml.safe_dump(data, sort_keys=False, default_flow_style=None).encode())


def _matrix(values: np.ndarray) -> dict:
    rows, cols = values.shape
    return {"rows": rows, "cols": cols, "data": [float(x) for x in values.ravel()]}
