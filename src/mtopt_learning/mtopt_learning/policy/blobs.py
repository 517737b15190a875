"""Finds objects in the shoulder picture by colour: what the scripted pick sees."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtopt_learning.policy.pinhole import PinholeCamera


@dataclass(frozen=True)
class Blob:
    """A patch unlike the bin's floor.

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
        difference: Least colour difference from the floor, as a share of its brightness.
        min_pixels: Smaller patches are noise.
        half_side_m: Only patches with |x|, |y| below this in the bin's frame.
        object_height_m: Height of the plane on which colours are located: of an object's middle.
        arm_radius_m: Of what hangs above the tool and hides the floor.
        arm_height_m: Length of what hangs above the tool.
    """

    difference: float = 0.35
    min_pixels: int = 4
    half_side_m: float = 0.19
    object_height_m: float = 0.02
    arm_radius_m: float = 0.07
    arm_height_m: float = 0.45


def find_blobs(
    image_hwc_u8: np.ndarray,
    camera: PinholeCamera,
    tool_position_bin_m,
    config: BlobConfig = BlobConfig(),
) -> list[Blob]:
    """Patches on the floor of the picking area that differ from it in colour.

    The floor's colour is the median of the area itself, so that light of another strength or
    colour does not matter; what the gripper may hide is left out.

    Args:
        image_hwc_u8: (h, w, 3) RGB.
        camera: Calibrated for a picture of this shape or another size of it.
        tool_position_bin_m: (3,) of the tool.
        config: What counts as an object.
    """
    height, width = image_hwc_u8.shape[:2]
    camera = camera.scaled(width, height)
    v, u = np.mgrid[:height, :width]
    floor_xy = camera.to_plane(np.stack([u, v], -1), config.object_height_m)  # (h, w, 2)
    inside = np.all(np.abs(floor_xy) < config.half_side_m, -1)
    inside &= ~_behind_arm(camera, u, v, np.asarray(tool_position_bin_m, float), config)
    if not inside.any():
        return []
    rgb = image_hwc_u8.astype(np.float32)
    floor_rgb = np.maximum(np.median(rgb[inside], axis=0), 1.0)
    # Shadow and shading scale all three channels alike; an object's colour does not.
    shade = rgb / floor_rgb
    brightness = shade.mean(-1, keepdims=True)
    chroma = np.abs(shade - brightness).max(-1)
    glare = np.maximum(brightness[..., 0] - 1.0, 0.0)
    mask = inside & (np.maximum(chroma, glare) > config.difference)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    blobs = [_measure(floor_xy[labels == i]) for i in range(1, count)]
    return [blob for blob in blobs if blob.pixels >= config.min_pixels]


def _behind_arm(camera, u, v, tool_m, config: BlobConfig) -> np.ndarray:
    """(h, w) bool: pixels near the projection of a vertical rod above the tool."""
    heights = np.linspace(0.0, config.arm_height_m, 12)
    rod = camera.project(tool_m + heights[:, None] * np.array([0.0, 0.0, 1.0]))
    distance_m = camera.position_bin_m[2] - tool_m[2] - heights
    radius_px = config.arm_radius_m * camera.fx / np.maximum(distance_m, 0.1)
    hidden = np.zeros(u.shape, bool)
    for (rod_u, rod_v), radius in zip(rod, radius_px):
        if np.isfinite(rod_u):
            hidden |= (u - rod_u) ** 2 + (v - rod_v) ** 2 < radius**2
    return hidden


def _measure(xy_m: np.ndarray) -> Blob:
    """The blob of the floor points (n, 2) of its pixels."""
    centre = xy_m.mean(0)
    spread = np.cov(xy_m.T) if len(xy_m) > 2 else np.eye(2) * 1e-6
    variance, axes = np.linalg.eigh(spread)
    long_axis = axes[:, 1]
    angle = float(np.arctan2(long_axis[1], long_axis[0]))
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    return Blob(
        float(centre[0]), float(centre[1]), angle,
        2 * float(np.sqrt(max(variance[1], 0))), 2 * float(np.sqrt(max(variance[0], 0))),
        len(xy_m),
    )  # fmt: skip
