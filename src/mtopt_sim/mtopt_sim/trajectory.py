"""Follows joint trajectories as ros2_control's joint_trajectory_controller does."""

from __future__ import annotations

import numpy as np

from mtopt_spec.errors import InputError


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
        InputError: Shapes do not fit, a number is not finite, or times are not increasing from 0.
    """

    def __init__(self, start, start_velocity, positions, velocities, times_s):
        positions = np.asarray(positions, np.float64)
        times_s = np.asarray(times_s, np.float64)
        n = len(start)
        if positions.ndim != 2 or positions.shape[1] != n or len(positions) == 0:
            raise _bad("positions", positions.shape, f"(points, {n}) with points from 1 up")
        if times_s.shape != (len(positions),):
            raise _bad("times_from_start_s", times_s.shape, f"({len(positions)},)")
        if velocities is not None:
            velocities = np.asarray(velocities, np.float64)
            if velocities.shape != positions.shape:
                raise _bad("velocities", velocities.shape, f"{positions.shape}")
        for name, values in (("positions", positions), ("velocities", velocities),
                             ("times_from_start_s", times_s)):  # fmt: skip
            if values is not None and not np.all(np.isfinite(values)):
                raise _bad(name, values[~np.isfinite(values)][0], "finite numbers")
        if times_s[0] < 0 or np.any(np.diff(times_s) <= 0):
            raise _bad("times_from_start_s", times_s.tolist(), "increasing times from 0 up")
        if times_s[0] > 0:
            positions = np.concatenate([np.asarray(start)[None], positions])
            times_s = np.concatenate([[0.0], times_s])
            if velocities is not None:
                velocities = np.concatenate([np.asarray(start_velocity)[None], velocities])
        self._positions, self._velocities, self._times_s = positions, velocities, times_s

    @property
    def duration_s(self) -> float:
        """Time of the last point."""
        return float(self._times_s[-1])

    def sample(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Set points: positions (t, n) and velocities (t, n) at times (t,) from the start."""
        knots = self._times_s
        if len(knots) == 1:
            position = np.repeat(self._positions, len(times_s), axis=0)
            return position, np.zeros_like(position)
        segment = np.clip(np.searchsorted(knots, times_s, side="right") - 1, 0, len(knots) - 2)
        length = (knots[segment + 1] - knots[segment])[:, None]
        u = np.minimum((times_s - knots[segment])[:, None] / length, 1.0)
        p0, p1 = self._positions[segment], self._positions[segment + 1]
        after = (times_s >= knots[-1])[:, None]
        if self._velocities is None:
            return p0 + u * (p1 - p0), np.where(after, 0.0, (p1 - p0) / length)
        m0, m1 = self._velocities[segment] * length, self._velocities[segment + 1] * length
        u2 = u * u
        u3 = u2 * u
        position = (
            (2 * u3 - 3 * u2 + 1) * p0
            + (u3 - 2 * u2 + u) * m0
            + (-2 * u3 + 3 * u2) * p1
            + (u3 - u2) * m1
        )
        velocity = (
            (6 * u2 - 6 * u) * (p0 - p1) + (3 * u2 - 4 * u + 1) * m0 + (3 * u2 - 2 * u) * m1
        ) / length
        return position, np.where(after, 0.0, velocity)


def _bad(name: str, got: object, expected: str) -> InputError:
    return InputError(name, where="joint trajectory", got=got, expected=expected)
