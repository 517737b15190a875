"""An observation: the pictures and the arm's own proprioception at one control tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

STATE_SIZE = 7
STATE_NAMES = (
    "gripper_closed",
    "gripper_opening",
    "tool_x",
    "tool_y",
    "tool_z",
    "azimuth_sin",
    "azimuth_cos",
)
GRIPPER_CLOSED, GRIPPER_OPENING = 0, 1
"""Whether it was last told to close; between the fingers, over `MAX_OPENING_M`."""
TOOL_XY, TOOL_XYZ = slice(2, 4), slice(2, 5)
"""The tool's x and y (and z) in it, m in the bin's frame."""
AZIMUTH = slice(5, 7)
"""Sine and cosine of the tool's azimuth in it."""
MAX_OPENING_M = 0.10
"""Between the fingers of an open gripper; `gripper_opening` is the measured one over this."""

DEFAULT_IMAGE_SIZES: Mapping[str, tuple[int, int]] = {"shoulder": (64, 64), "wrist": (32, 32)}
"""(height_px, width_px) of each camera's picture in an observation."""


@dataclass(frozen=True)
class Observation:
    """What a policy sees, and nothing more.

    Attributes:
        stamp_s: Time of the control tick.
        images_jpeg: Camera name to JPEG bytes: the very bytes that the bag holds.
        gripper_closed: As last commanded.
        gripper_opening_m: Between the fingers, measured, in [0, 0.1] m.
        tool_pose_bin: x, y, z (m) and azimuth (rad, in (-pi, pi]) of the tool in the bin's frame.
    """

    stamp_s: float
    images_jpeg: Mapping[str, bytes] = field(repr=False)
    gripper_closed: bool
    gripper_opening_m: float
    tool_pose_bin: tuple[float, float, float, float]

    def state(self) -> np.ndarray:
        """Proprioception as the learner sees it: (7,) float32 in the order of `STATE_NAMES`."""
        return state_vector(self.gripper_closed, self.gripper_opening_m, self.tool_pose_bin)


def state_vector(gripper_closed: bool, gripper_opening_m: float, tool_pose_bin) -> np.ndarray:
    """(7,) float32: closed flag, opening in [0, 1], x, y, z in m, sine and cosine of azimuth."""
    x, y, z, azimuth = tool_pose_bin
    return np.array(
        [
            gripper_closed,
            gripper_opening_m / MAX_OPENING_M,
            x,
            y,
            z,
            np.sin(azimuth),
            np.cos(azimuth),
        ],
        np.float32,
    )
