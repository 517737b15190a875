"""The simulator's truth about a station: for labels and evaluation, never a policy's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLATE_SECTIONS = ("bottom", "top_left", "top_right")


@dataclass(frozen=True)
class SceneTruth:
    """What is where; one entry an object of the scene (parked ones are left out).

    Attributes:
        names: Objects in the scene.
        position_bin_m: (n, 3) float64, centres in the bin's frame.
        quat_bin_wxyz: (n, 4) float64.
        held: (n,) bool, touched by both fingers and touching nothing of the bin.
        touched: (n,) bool, touched by a finger.
        at_rest: (n,) bool, slower than 0.05 m/s.
        section: Plate section that the centre is over and near, one of `PLATE_SECTIONS`, or "".
        hinge_angle_rad: Angle of the bin.
        covered: (n,) share of each object's outline from above that a cloth lies over; None in a
            scene without one.
        laid: Names of what the scene itself put on the plate, and no bin has tipped since.
    """

    names: tuple[str, ...]
    position_bin_m: np.ndarray
    quat_bin_wxyz: np.ndarray
    held: np.ndarray
    touched: np.ndarray
    at_rest: np.ndarray
    section: tuple[str, ...]
    hinge_angle_rad: float
    covered: np.ndarray | None = None
    laid: tuple[str, ...] = ()


def plate_section(position_plate_m: np.ndarray, plate_size_m: tuple[float, float]) -> str:
    """The section of the plate that a point lies over.

    Args:
        position_plate_m: (3,) in the plate's frame (centre of its upper side, z up).
        plate_size_m: Full edges along x and y.

    Returns:
        `bottom` (x < 0), `top_left` (x > 0, y > 0), `top_right`, or "" if it is beside the plate
        or more than 0.08 m above it.
    """
    x, y, z = position_plate_m
    if abs(x) > plate_size_m[0] / 2 or abs(y) > plate_size_m[1] / 2 or not -0.02 < z < 0.08:
        return ""
    if x < 0:
        return "bottom"
    return "top_left" if y > 0 else "top_right"
