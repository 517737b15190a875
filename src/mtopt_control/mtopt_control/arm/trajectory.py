"""A motion of one control period as a joint trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mtopt_control.arm.time_law import (
    LAW,
    PEAK_ACCELERATION,
    PEAK_JERK,
    PEAK_VELOCITY,
    Knot,
)


@dataclass(frozen=True)
class Trajectory:
    """What a joint trajectory controller gets.

    The start (time 0) is no point of its own: it is where the joints were told to be before.

    Attributes:
        joint_names: (joints,) arm joints, then the finger joint.
        positions: (points, joints) float64, rad (finger: m).
        velocities: (points, joints) float64, rad/s (finger: m/s).
        times_s: (points,) float64, seconds from the start, rising, to whole nanoseconds.
    """

    joint_names: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray
    times_s: np.ndarray


def rest_to_rest(
    joint_names: tuple[str, ...], start: np.ndarray, end: np.ndarray, duration_s: float
) -> Trajectory:
    """From `start` to `end`, both (joints,), in proportion and from rest to rest."""
    way, speed, times_s = _whole(duration_s)
    displacement = end - start
    positions = start + way * displacement
    positions[-1] = end
    return Trajectory(joint_names, positions, speed * displacement, times_s)


def rest_of(
    joint_names: tuple[str, ...],
    start: np.ndarray,
    end: np.ndarray,
    duration_s: float,
    tau: float,
    knots: Sequence[Knot],
) -> Trajectory:
    """A motion from `start` to `end` in `duration_s`, from `tau` on through `knots`."""
    displacement = end - start
    return Trajectory(
        joint_names,
        start + np.array([[knot.way] for knot in knots]) * displacement,
        np.array([[knot.speed] for knot in knots]) * displacement / duration_s,
        np.round(np.array([knot.tau - tau for knot in knots]) * duration_s, 9),
    )


@lru_cache
def _whole(duration_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(7, 1) shares of the way, (7, 1) speeds, 1/s, and (7,) times, s, as the wire holds them."""
    arrays = (
        np.array([[knot.way] for knot in LAW[1:]]),
        np.array([[knot.speed] for knot in LAW[1:]]) / duration_s,
        np.round([knot.tau * duration_s for knot in LAW[1:]], 9),
    )
    arrays[1][-1] = 0.0
    for array in arrays:
        array.flags.writeable = False
    return arrays


def largest_displacement(
    max_velocity: np.ndarray, max_acceleration: np.ndarray, max_jerk: np.ndarray, duration_s: float
) -> np.ndarray:
    """How far each joint may go from rest to rest in `duration_s` within its limits, rad."""
    return np.minimum.reduce(
        [
            max_velocity * duration_s / PEAK_VELOCITY,
            max_acceleration * duration_s**2 / PEAK_ACCELERATION,
            max_jerk * duration_s**3 / PEAK_JERK,
        ]
    )
