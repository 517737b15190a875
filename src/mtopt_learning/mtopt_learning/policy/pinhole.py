"""A calibrated camera: points of the bin's frame to pixels and back to the bin's floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics and pose of a camera without distortion.

    Attributes:
        width_px, height_px: Size of the picture that the numbers below are for.
        fx, fy, cx, cy: Focal lengths and principal point, px (centre of the first pixel: 0, 0).
        position_bin_m: (3,) the camera in the bin's frame.
        rotation_bin_camera: (3, 3) its optical axes (x right, y down, z forward) as columns.
    """

    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float
    position_bin_m: np.ndarray
    rotation_bin_camera: np.ndarray

    def __post_init__(self):
        numbers = np.concatenate(
            [
                [self.fx, self.fy, self.cx, self.cy],
                np.ravel(self.position_bin_m),
                np.ravel(self.rotation_bin_camera),
            ]
        )
        if not np.all(np.isfinite(numbers)) or min(self.fx, self.fy) <= 0:
            raise InputError(
                "camera calibration", where="PinholeCamera", got=numbers.tolist(),
                expected="finite numbers, focal lengths above 0",
            )  # fmt: skip

    def scaled(self, width_px: int, height_px: int) -> PinholeCamera:
        """The same camera with its picture scaled to another size."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return PinholeCamera(
            width_px,
            height_px,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
            self.position_bin_m,
            self.rotation_bin_camera,
        )

    def project(self, points_bin_m: np.ndarray) -> np.ndarray:
        """(..., 2) pixels u, v of (..., 3) points; NaN behind the camera."""
        local = (np.asarray(points_bin_m, float) - self.position_bin_m) @ self.rotation_bin_camera
        depth = np.where(local[..., 2] > 1e-6, local[..., 2], np.nan)
        u = self.fx * local[..., 0] / depth + self.cx
        v = self.fy * local[..., 1] / depth + self.cy
        return np.stack([u, v], -1)

    def to_plane(self, pixels_uv: np.ndarray, height_m: float = 0.0) -> np.ndarray:
        """(..., 2) x, y in the bin's frame where rays of (..., 2) pixels meet z = height_m.

        NaN for rays that never come down to it.
        """
        uv = np.asarray(pixels_uv, float)
        rays = np.stack(
            [(uv[..., 0] - self.cx) / self.fx, (uv[..., 1] - self.cy) / self.fy,
             np.ones(uv.shape[:-1])], -1,
        ) @ np.asarray(self.rotation_bin_camera).T  # fmt: skip
        down = np.where(rays[..., 2] < -1e-6, rays[..., 2], np.nan)
        scale = (height_m - self.position_bin_m[2]) / down
        return np.asarray(self.position_bin_m)[:2] + rays[..., :2] * scale[..., None]


def camera_from_link(
    width_px: int,
    height_px: int,
    horizontal_fov_rad: float,
    position_bin_m,
    rpy_bin_link,
) -> PinholeCamera:
    """The ideal camera of a field of view, mounted on a link that looks along its own x axis.

    Args:
        width_px: Of the picture.
        height_px: Of the picture.
        horizontal_fov_rad: Angle from its left to its right edge.
        position_bin_m: (3,) of the link in the bin's frame.
        rpy_bin_link: (3,) fixed-axis roll, pitch, yaw of the link, rad, as in URDF and SDF.
    """
    roll, pitch, yaw = rpy_bin_link
    cr, sr, cp, sp, cy, sy = (
        np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw),
    )  # fmt: skip
    link = (
        np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    )
    optical_in_link = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)  # right, down, forward
    focal = width_px / 2 / np.tan(horizontal_fov_rad / 2)
    return PinholeCamera(
        width_px, height_px, focal, focal, (width_px - 1) / 2, (height_px - 1) / 2,
        np.asarray(position_bin_m, float), link @ optical_in_link,
    )  # fmt: skip
