"""A station's cameras: what they see, and their nominal calibrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from mtopt_sim.description import inverse
from mtopt_sim.renderer import Renderer
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class CameraCalibration:
    """A camera's nominal calibration (the jitter of a reset is unknown to the robot).

    Attributes:
        fx, fy, cx, cy: Pinhole model, px; the centre of the first pixel is 0, 0, as in ROS.
        width_px, height_px: Size of the picture.
        pose_bin_camera: (4, 4) optical frame (z forward, x right, y down) in the bin's frame, or
            None for a camera on the wrist.
        pose_tool_camera: (4, 4) optical frame in tool0, or None for a fixed camera.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    height_px: int
    pose_bin_camera: np.ndarray | None
    pose_tool_camera: np.ndarray | None


class Cameras:
    """The cameras of one robot's station.

    Args:
        model: The compiled scene, as the world file describes it. Its horizontal angles of view
            become the vertical ones that MuJoCo wants.
        image_sizes: Camera name to (height_px, width_px).
        robot: Name of the robot.
        pose_base_bin: (4, 4) the bin's frame in the robot's base.

    Raises:
        InputError: A camera of `image_sizes` is unknown.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        image_sizes: Mapping[str, tuple[int, int]],
        robot: str,
        pose_base_bin: np.ndarray,
    ):
        self._index = {model.camera(i).name.split("/")[-1]: i for i in range(model.ncam)}
        for name in image_sizes:
            self._check(name)
        self._sizes = {name: image_sizes.get(name, (1, 1)) for name in self._index}
        for name, index in self._index.items():
            height, width = self._sizes[name]
            horizontal = np.deg2rad(model.cam_fovy[index])
            vertical = 2 * np.arctan(np.tan(horizontal / 2) * height / width)
            model.cam_fovy[index] = np.rad2deg(vertical)
        self._calibrations = self._calibrate(model, model.site(f"{robot}/tool0").id, pose_base_bin)
        self._renderer = Renderer(model)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all cameras."""
        return tuple(self._index)

    @property
    def drawing_s(self) -> float:
        """Processor time spent in MuJoCo's drawing alone."""
        return self._renderer.drawing_s

    def render(self, data: mujoco.MjData, camera: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB of what a camera sees."""
        self._check(camera)
        return self._renderer.render(data, self._index[camera], self._sizes[camera])

    def calibration(self, camera: str) -> CameraCalibration:
        """A camera's nominal calibration."""
        self._check(camera)
        return self._calibrations[camera]

    def _check(self, camera: str) -> None:
        if camera not in self._index:
            raise InputError("camera", where="station", got=camera, expected=f"{self.names}")

    def _calibrate(
        self, model: mujoco.MjModel, tool: int, pose_base_bin: np.ndarray
    ) -> dict[str, CameraCalibration]:
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        pose_tool = _pose(data.site_xpos[tool], data.site_xmat[tool])
        out = {}
        for name, index in self._index.items():
            height, width = self._sizes[name]
            focal = 0.5 * height / np.tan(np.deg2rad(model.cam_fovy[index]) / 2)
            optical = _pose(data.cam_xpos[index], data.cam_xmat[index])
            optical[:3, 1:3] *= -1
            on_wrist = model.cam_bodyid[index] != 0
            out[name] = CameraCalibration(
                fx=focal,
                fy=focal,
                cx=(width - 1) / 2,
                cy=(height - 1) / 2,
                width_px=width,
                height_px=height,
                pose_bin_camera=None if on_wrist else inverse(pose_base_bin) @ optical,
                pose_tool_camera=inverse(pose_tool) @ optical if on_wrist else None,
            )
        return out


def _pose(position: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = np.asarray(matrix).reshape(3, 3)
    out[:3, 3] = position
    return out
