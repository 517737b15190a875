"""Trajectories for a controller that steers straight to the next of their points: Gazebo's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtopt_sim.trajectory import JointTrajectory


class DensePath:
    """One arm's set point as time goes by, handed out in closely spaced points.

    Args:
        joint_names: Joints of the trajectories that come in.
        mimics: Joint to the one of `joint_names` that it copies, for an engine that knows no
            mimic joints.
        point_s: Between two points.
    """

    def __init__(self, joint_names: tuple[str, ...], mimics: Mapping[str, str], point_s: float):
        self._names, self._point_s = joint_names, point_s
        self.joint_names = (*joint_names, *mimics)
        self._source = np.array(
            [*range(len(joint_names)), *map(joint_names.index, mimics.values())]
        )
        self._path: JointTrajectory | None = None
        self._began_s = 0.0

    def replace(
        self,
        now_s: float,
        measured: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray | None,
        times_s: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Follows a new trajectory from now on, from where the last one has led so far.

        Args:
            now_s: Simulated time.
            measured: (joints,) where the arm is: the start where there was no trajectory.
            positions: (points, joints) in the order of the constructor's names.
            velocities: The same, or None for straight lines.
            times_s: (points,) from now.

        Returns:
            positions (n, all), velocities (n, all), times (n,), `all` in the order of
            `joint_names`.

        Raises:
            InputError: A shape, a number or a time is wrong; the old one goes on.
        """
        start, speed = self._now(now_s, measured)
        path = JointTrajectory(start, speed, positions, velocities, times_s)
        self._path, self._began_s = path, now_s
        count = max(1, int(np.ceil(path.duration_s / self._point_s - 1e-6)))
        points_s = np.minimum(self._point_s * np.arange(1, count + 1), path.duration_s)
        if path.duration_s == 0.0:
            points_s[:] = self._point_s
        dense, speeds = path.sample(points_s)
        speeds[-1] = 0.0  # the last point is held
        return dense[:, self._source], speeds[:, self._source], points_s

    def begin_anew(self) -> None:
        """Time went back: the next trajectory starts where the arm is."""
        self._path = None

    def _now(self, now_s: float, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        elapsed_s = now_s - self._began_s
        if self._path is None or elapsed_s < 0.0:  # the first one, or time began anew
            return np.asarray(measured, float), np.zeros(len(self._names))
        positions, speeds = self._path.sample(np.array([min(elapsed_s, self._path.duration_s)]))
        return positions[0], speeds[0]
