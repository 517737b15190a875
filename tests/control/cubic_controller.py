"""A joint trajectory controller without delay: cubic Hermite splines, from its own set point on."""

from __future__ import annotations

import numpy as np


class CubicController:
    """Follows the newest trajectory; knows its set point at every time.

    Args:
        position: (joints,) where it holds.
    """

    def __init__(self, position: np.ndarray):
        self.hold(position, 0.0)

    def hold(self, position: np.ndarray, now_s: float) -> None:
        """Forgets all and holds."""
        self._ends_s = np.array([now_s])
        self._cubics: list[np.ndarray] = []
        self._rest = np.array(position, float)

    @property
    def over_s(self) -> float:
        """When it is at rest."""
        return float(self._ends_s[-1])

    def follow(self, trajectory, now_s: float) -> None:
        """Takes a trajectory in place of the active one."""
        (p0, v0, _, _), t0 = self.at(now_s), 0.0
        cubics = []
        for p1, v1, t1 in zip(trajectory.positions, trajectory.velocities, trajectory.times_s):
            h = t1 - t0
            cubics.append(
                np.stack(
                    [
                        p0,
                        v0,
                        3 * (p1 - p0) / h**2 - (2 * v0 + v1) / h,
                        2 * (p0 - p1) / h**3 + (v0 + v1) / h**2,
                    ]
                )
            )
            p0, v0, t0 = p1, v1, t1
        self._ends_s = now_s + np.concatenate(([0.0], trajectory.times_s))
        self._cubics, self._rest = cubics, np.array(trajectory.positions[-1])

    def at(self, time_s: float):
        """(joints,) position, velocity, acceleration and jerk of the set point."""
        still = np.zeros_like(self._rest)
        if not self._cubics or time_s >= self.over_s - 1e-9:
            return self._rest, still, still, still
        i = int(np.searchsorted(self._ends_s, time_s, side="right")) - 1
        i = min(max(i, 0), len(self._cubics) - 1)
        return self._sampled(i, np.array([time_s - self._ends_s[i]]))[:, 0]

    def samples(self, per_stretch: int = 7) -> np.ndarray:
        """(stretches, 4, samples, joints): the active trajectory, each stretch with both ends."""
        shares, lengths = np.linspace(0.0, 1.0, per_stretch), np.diff(self._ends_s)
        return np.stack([self._sampled(i, shares * h) for i, h in enumerate(lengths)])

    def _sampled(self, stretch: int, times_s: np.ndarray) -> np.ndarray:
        c0, c1, c2, c3 = self._cubics[stretch]
        t = times_s[:, None]
        return np.stack(
            [
                c0 + (c1 + (c2 + c3 * t) * t) * t,
                c1 + (2 * c2 + 3 * c3 * t) * t,
                2 * c2 + 6 * c3 * t,
                6 * c3 + 0 * t,
            ]
        )
