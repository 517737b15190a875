"""Finds objects in the shoulder picture by colour: what the scripted pick sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.interfaces import PolicyRequest


@dataclass(frozen=True)
class Blob:
    """A patch unlike the ground.

    Attributes:
        x_m, y_m: Its centre on the floor, bin frame.
        axis_rad: Direction of its long axis on the floor, in (-pi/2, pi/2].
        length_m, width_m: Two standard deviations along and across that axis.
        pixels: Its size in the picture.
    """

    x_m: float
    y_m: float
    axis_rad: float
    length_m: float
    width_m: float
    pixels: int


@dataclass(frozen=True)
class BlobConfig:
    """What counts as an object.

    Attributes:
        camera: Whose picture is looked at.
        difference: Least colour difference from the ground, as a share of its brightness.
        grey: Whether what is only brighter than the ground counts, whatever its colour.
        min_pixels: Smaller patches are noise.
        area_m: Where is looked: x low, x high, y low, y high, bin frame.
        object_height_m: Height of the plane on which colours are located: of the middle of what is
            seen of an object, its top and the side that faces the camera.
        arm_radius_m: Of what hangs above the tool and hides the floor.
        arm_height_m: Length of what hangs above the tool.
    """

    camera: str = "shoulder"
    difference: float = 0.35
    grey: bool = True
    min_pixels: int = 4
    area_m: tuple[float, float, float, float] = (-0.19, 0.19, -0.19, 0.19)
    object_height_m: float = 0.03
    arm_radius_m: float = 0.07
    arm_height_m: float = 0.45


ON_PLATE = BlobConfig(grey=False, area_m=(-0.15, 0.15, 0.23, 0.41))
"""Coloured things on the plate; its white bars are none."""


class BlobFinder:
    """Patches of an area that differ from its ground in colour.

    The ground's colour is the median of the area itself, so that light of another strength or
    colour does not matter; what the gripper may hide is left out.

    Args:
        camera: Calibrated for a picture of any size; it does not move.
        config: What counts as an object.
    """

    def __init__(self, camera: PinholeCamera, config: BlobConfig = BlobConfig()):
        self._camera = camera
        self._config = config
        self._areas: dict[tuple[int, int], _Area] = {}

    def look(self, request: PolicyRequest) -> list[Blob]:
        """The patches in the camera's picture of a request; `InputError` where there is none."""
        name, observation = self._config.camera, request.observation
        if name not in observation.images_jpeg:
            raise InputError(
                "camera", where=f"request of {request.robot}",
                got=sorted(observation.images_jpeg), expected=name,
            )  # fmt: skip
        return self.find(decode_jpeg(observation.images_jpeg[name]), observation.tool_pose_bin[:3])

    def find(self, image_hwc_u8: np.ndarray, tool_position_bin_m) -> list[Blob]:
        """The patches in an (h, w, 3) RGB picture, with the tool at (3,) in the bin's frame."""
        height, width = image_hwc_u8.shape[:2]
        if (height, width) not in self._areas:
            self._areas[height, width] = _area(self._camera, height, width, self._config)
        area = self._areas[height, width]
        free = ~_behind_arm(area, np.asarray(tool_position_bin_m, float), self._config)
        rows, columns = area.v[free], area.u[free]
        if not len(rows):
            return []
        rgb = np.ascontiguousarray(image_hwc_u8[rows, columns].T, np.float32)  # (3, n)
        # Shadow and shading scale all three channels alike; an object's colour does not.
        shade = rgb / np.maximum(_median(rgb), 1.0)[:, None]
        brightness = shade.mean(0)
        chroma = np.abs(shade - brightness).max(0)
        if self._config.grey:
            differs = np.maximum(chroma, brightness - 1.0) > self._config.difference
        else:
            differs = chroma > self._config.difference * np.maximum(brightness, 1.0)
        mask = np.zeros((height, width), np.uint8)
        mask[rows, columns] = differs
        count, labels = cv2.connectedComponents(mask, connectivity=4)
        found, floor_xy = labels[rows, columns], area.floor_xy_m[free]
        pixels = np.bincount(found, minlength=count)
        return [
            _measure(floor_xy[found == i])
            for i in range(1, count)
            if pixels[i] >= self._config.min_pixels
        ]


@dataclass(frozen=True)
class _Area:
    """The pixels (n,) of a picture that show the area, and where each is on the floor."""

    camera: PinholeCamera
    u: np.ndarray
    v: np.ndarray
    floor_xy_m: np.ndarray


def _area(camera: PinholeCamera, height: int, width: int, config: BlobConfig) -> _Area:
    camera = camera.scaled(width, height)
    v, u = np.mgrid[:height, :width]
    floor_xy = camera.to_plane(np.stack([u, v], -1), config.object_height_m)  # (h, w, 2)
    x_low, x_high, y_low, y_high = config.area_m
    x, y = floor_xy[..., 0], floor_xy[..., 1]
    inside = (x > x_low) & (x < x_high) & (y > y_low) & (y < y_high)
    return _Area(camera, u[inside], v[inside], floor_xy[inside])


def _median(rgb: np.ndarray) -> np.ndarray:
    """(3,) of (3, n): as np.median has it, which takes ten times as long."""
    channels = np.sort(rgb, axis=1)
    n = rgb.shape[1]
    return (channels[:, (n - 1) // 2] + channels[:, n // 2]) / 2


def _behind_arm(area: _Area, tool_m: np.ndarray, config: BlobConfig) -> np.ndarray:
    """(n,) bool: pixels near the projection of a vertical rod above the tool."""
    heights = np.linspace(0.0, config.arm_height_m, 12)
    camera = area.camera
    rod = camera.project(tool_m + heights[:, None] * np.array([0.0, 0.0, 1.0]))
    distance_m = camera.position_bin_m[2] - tool_m[2] - heights
    radius_px = config.arm_radius_m * camera.fx / np.maximum(distance_m, 0.1)
    away_px2 = (area.u - rod[:, :1]) ** 2 + (area.v - rod[:, 1:]) ** 2  # (rod, n)
    return (away_px2 < radius_px[:, None] ** 2).any(0)  # NaN: that part is behind the camera


def _measure(xy_m: np.ndarray) -> Blob:
    """The blob of the floor points (n, 2) of its pixels."""
    centre = xy_m.mean(0)
    offset = xy_m - centre
    (xx, xy), (_, yy) = (offset.T @ offset / max(len(xy_m) - 1, 1)).tolist()
    # Axes and variances of a symmetric 2 x 2 matrix.
    mean, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return Blob(
        float(centre[0]), float(centre[1]), 0.5 * math.atan2(2 * xy, xx - yy),
        2 * math.sqrt(mean + half), 2 * math.sqrt(max(mean - half, 0.0)),
        len(xy_m),
    )  # fmt: skip
