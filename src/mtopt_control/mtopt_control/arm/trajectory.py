"""A joint trajectory that starts and ends at rest, for one control period.

Each joint speeds up for a third of the time, runs at constant speed for a third and slows down for
a third. Displacement d in T needs a speed of 1.5 d/T and an acceleration of 4.5 d/T^2; the thirds
are parabolas and a line, so a controller that interpolates positions and velocities of the three
points by cubic Hermite splines follows them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

PEAK_VELOCITY = 1.5
PEAK_ACCELERATION = 4.5


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


_TIME_SHARE = np.array([1.0, 2.0, 3.0]) / 3.0
_WAY_SHARE = np.array([[0.25], [0.75], [1.0]])
_SPEED_SHARE = np.array([[PEAK_VELOCITY], [PEAK_VELOCITY], [0.0]])


def rest_to_rest(
    joint_names: tuple[str, ...], start: np.ndarray, end: np.ndarray, duration_s: float
) -> Trajectory:
    """From `start` to `end`, both (joints,), in proportion and from rest to rest."""
    displacement = end - start
    positions = start + _WAY_SHARE * displacement
    positions[-1] = end
    velocities = (_SPEED_SHARE / duration_s) * displacement
    return Trajectory(joint_names, positions, velocities, _times(duration_s))


@lru_cache
def _times(duration_s: float) -> np.ndarray:
    """(3,) of the points, as the wire holds them."""
    times_s = np.round(_TIME_SHARE * duration_s, 9)
    times_s.flags.writeable = False
    return times_s


def largest_displacement(
    max_velocity: np.ndarray, max_acceleration: np.ndarray, duration_s: float
) -> np.ndarray:
    """How far each joint may go from rest to rest in `duration_s` within its limits, rad."""
    return np.minimum(
        max_velocity * duration_s / PEAK_VELOCITY,
        max_acceleration * duration_s**2 / PEAK_ACCELERATION,
    )
