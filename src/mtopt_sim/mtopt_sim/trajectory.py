"""Follows joint trajectories as ros2_control's joint_trajectory_controller does."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from mtopt_spec.errors import InputError

_LONGEST_S = 600.0
"""A station samples a trajectory as a whole; the cell's last for seconds."""


class JointTrajectory:
    """A cubic-Hermite path through points; it holds the last point afterwards.

    Without velocities the path is a straight line between points.

    Args:
        start: (n,) set point at time 0, rad or m.
        start_velocity: (n,) its speed.
        positions: (points, n).
        velocities: (points, n) or None.
        times_s: (points,) from the start, not falling; a first point at 0 replaces the start.

    Raises:
        InputError: Shapes do not fit, a number is not finite, or times are not increasing from 0 to
            at most ten minutes.
    """

    def __init__(self, start, start_velocity, positions, velocities, times_s):
        positions = np.asarray(positions, np.float64)
        times_s = np.asarray(times_s, np.float64)
        n = len(start)
        if positions.ndim != 2 or positions.shape[1] != n or len(positions) == 0:
            raise _bad("positions", positions.shape, f"(points, {n}) with points from 1 up")
        if times_s.shape != (len(positions),):
            raise _bad("times_from_start_s", times_s.shape, f"({len(positions)},)")
        self._straight = velocities is None
        velocities = np.zeros_like(positions) if velocities is None else np.asarray(velocities)
        if velocities.shape != positions.shape:
            raise _bad("velocities", velocities.shape, f"{positions.shape}")
        times = tuple(times_s.tolist())
        rising = all(earlier < later for earlier, later in pairwise(times))
        if not rising or not 0 <= times[0] <= times[-1] <= _LONGEST_S:
            raise _bad("times_from_start_s", times, f"increasing times from 0 to {_LONGEST_S:g}")
        if times[0] > 0:
            times = (0.0, *times)
            knots = (np.array([start]), positions, np.array([start_velocity]), velocities)
        else:
            knots = (positions, velocities)
        self._times_s, self._knots = times, np.concatenate(knots, dtype=np.float64)
        if not np.isfinite(self._knots).all():
            raise _bad("positions and velocities", "nan or inf", "finite numbers")

    @property
    def duration_s(self) -> float:
        """Time of the last point."""
        return self._times_s[-1]

    def sample(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Set points: positions (t, n) and velocities (t, n) at times (t,) from the start."""
        weights = _weights(self._times_s, self._straight, times_s.tobytes())
        set_points = weights @ self._knots
        return set_points[: len(times_s)], set_points[len(times_s) :]


@lru_cache(maxsize=64)
def _weights(knots_s: tuple[float, ...], straight: bool, times: bytes) -> np.ndarray:
    """What each knot's position and velocity count for at each time.

    Trajectories of one form have the same times, so their weights are made once.

    Args:
        knots_s: Times of the knots, rising.
        straight: Lines between the knots instead of cubics.
        times: Those of the set points, (t,) float64.

    Returns:
        (2 t, 2 knots): positions, then velocities, of all times, from positions, then velocities,
        of all knots.
    """
    knots, times_s = np.array(knots_s), np.frombuffer(times)
    t, k = len(times_s), len(knots)
    position, velocity = np.zeros((t, 2, k)), np.zeros((t, 2, k))
    if k == 1:
        position[:, 0] = 1.0
        return np.concatenate([position, velocity]).reshape(2 * t, 2 * k)
    rows = np.arange(t)
    before = np.clip(np.searchsorted(knots, times_s, side="right") - 1, 0, k - 2)
    length = knots[before + 1] - knots[before]
    u = np.minimum((times_s - knots[before]) / length, 1.0)
    if straight:
        position[rows, 0, before], position[rows, 0, before + 1] = 1 - u, u
        velocity[rows, 0, before], velocity[rows, 0, before + 1] = -1 / length, 1 / length
    else:
        position[rows, 0, before] = (2 * u - 3) * u**2 + 1
        position[rows, 0, before + 1] = (3 - 2 * u) * u**2
        position[rows, 1, before] = ((u - 2) * u + 1) * u * length
        position[rows, 1, before + 1] = (u - 1) * u**2 * length
        velocity[rows, 0, before] = 6 * (u - 1) * u / length
        velocity[rows, 0, before + 1] = 6 * (1 - u) * u / length
        velocity[rows, 1, before] = (3 * u - 4) * u + 1
        velocity[rows, 1, before + 1] = (3 * u - 2) * u
    velocity[times_s >= knots[-1]] = 0.0
    return np.concatenate([position, velocity]).reshape(2 * t, 2 * k)


def _bad(name: str, got: object, expected: str) -> InputError:
    return InputError(name, where="joint trajectory", got=got, expected=expected)
