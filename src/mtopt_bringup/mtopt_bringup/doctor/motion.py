"""The first motions of a robot: small, slow, in a box that is shown; and how they were followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from mtopt_bringup.doctor.checks import Check, judged
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_spec.action import CONTROL_PERIOD_S, Action, Kind
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig

WAY_M, STEP_M = 0.02, 0.01
WAY_RAD, STEP_RAD = 0.1, 0.05
MAX_LAG_S = CONTROL_PERIOD_S
MAX_REST_M, MAX_REST_RAD = 2e-3, math.radians(1.0)
_INSET_M = 2e-3
_LEAST_WAY_M = 1e-3
_MOST_LAG_S, _LAG_STEP_S = 0.5, 0.002


@dataclass(frozen=True)
class MotionPlan:
    """What the arm is to be asked for.

    Attributes:
        low_m, high_m: (3,) box of the tool in the bin's frame.
        actions: One a control period; they end where they began.
    """

    low_m: tuple[float, ...]
    high_m: tuple[float, ...]
    actions: tuple[Action, ...]

    def words(self) -> str:
        """The box, for the person who is asked."""
        axes = ", ".join(
            f"{axis} {low:.3f} to {high:.3f}"
            for axis, low, high in zip("xyz", self.low_m, self.high_m)
        )
        speed = STEP_M / CONTROL_PERIOD_S
        return (
            f"The tool will move within {axes} m (bin frame) and turn by "
            f"{math.degrees(WAY_RAD):.0f} degrees to either side, at {100 * speed:.0f} cm/s or "
            f"less, for {len(self.actions) * CONTROL_PERIOD_S:.0f} s."
        )


def plan_motion(robot: RobotConfig, pose: Sequence[float]) -> MotionPlan:
    """There and back along each axis, and about the vertical, from where the tool is.

    Args:
        robot: Its folder.
        pose: x, y, z (m), azimuth (rad) of the tool in the bin's frame.

    Raises:
        InputError: The tool is not in the workspace.
    """
    here = np.array(pose[:3], float)
    floor, top = np.array(robot.workspace_low_m), np.array(robot.workspace_high_m)
    if np.any(here < floor) or np.any(here > top):
        raise InputError(
            "tool", where="--move", got=f"at {here.round(3).tolist()} m in the bin's frame",
            expected=f"in the workspace, {floor.tolist()} to {top.tolist()} m",
            todo="bring the arm over the bin by its pendant, the tool pointing down",
        )  # fmt: skip
    low = np.maximum(here - WAY_M, np.minimum(floor + _INSET_M, here))
    high = np.minimum(here + WAY_M, np.maximum(top - _INSET_M, here))
    actions = [Action(Kind.HOLD)]  # lets the arm go on where a motion was broken off before
    for axis in range(3):
        ends = (high[axis] - here[axis], low[axis] - high[axis], here[axis] - low[axis])
        for way_m in ends:
            actions += _steps(way_m, STEP_M, axis)
    for way_rad in (WAY_RAD, -2 * WAY_RAD, WAY_RAD):
        actions += _steps(way_rad, STEP_RAD, None)
    actions += [Action(Kind.HOLD)] * 3
    return MotionPlan(tuple(low.tolist()), tuple(high.tolist()), tuple(actions))


def _steps(way: float, step: float, axis: int | None) -> list[Action]:
    """A way along an axis (None: about the vertical) in equal steps of at most `step`."""
    count = math.ceil(abs(way) / step - 1e-9)
    part = way / count if count else 0.0
    if axis is None:
        return [Action(Kind.STEP, azimuth_rad=part)] * count
    translation = tuple(part if i == axis else 0.0 for i in range(3))
    return [Action(Kind.STEP, translation)] * count


@dataclass(frozen=True)
class Followed:
    """What was heard while the arm moved; times on one wall clock.

    Attributes:
        answers_s: (n,) from each action to its trajectory.
        trajectories: (came, (points, joints) positions, (points, joints) velocities, (points,)
            times) of each, arm joints alone.
        states: (came, (joints,) position) of each joint state, arm joints alone.
    """

    answers_s: np.ndarray
    trajectories: Sequence[tuple[float, np.ndarray, np.ndarray, np.ndarray]]
    states: Sequence[tuple[float, np.ndarray]]


def sent_path(followed: Followed, times_s: np.ndarray) -> np.ndarray:
    """(times, joints) where the arm was told to be at each time; before the first: where it was."""
    first_s = followed.trajectories[0][0]
    before = [q for came_s, q in followed.states if came_s <= first_s]
    start = before[-1] if before else followed.states[0][1]
    path = np.tile(start, (len(times_s), 1))
    here, speed = start, np.zeros_like(start)
    for i, (came_s, positions, velocities, times) in enumerate(followed.trajectories):
        spline = CubicHermiteSpline(
            [0.0, *times], np.vstack([here, positions]), np.vstack([speed, velocities])
        )
        late = times_s >= came_s
        path[late] = spline(np.minimum(times_s[late] - came_s, times[-1]))
        if i + 1 < len(followed.trajectories):
            share_s = min(followed.trajectories[i + 1][0] - came_s, times[-1])
            here, speed = spline(share_s), spline(share_s, 1)
    return path


def judge_motion(
    followed: Followed, kinematics: ArmKinematics, max_lag_s: float = MAX_LAG_S
) -> Check:
    """Latency, lag and tracking error.

    Args:
        followed: What was heard.
        kinematics: Of the robot.
        max_lag_s: Largest time by which the arm may follow its trajectory late.
    """
    times_s = np.array([came_s for came_s, _ in followed.states])
    measured = np.array([q for _, q in followed.states])
    close_s = np.arange(times_s[0] - _MOST_LAG_S, times_s[-1] + _LAG_STEP_S, _LAG_STEP_S)
    path = sent_path(followed, close_s)

    def told_at(lag_s: float) -> np.ndarray:
        return np.stack([np.interp(times_s - lag_s, close_s, q) for q in path.T], axis=1)

    lags_s = np.arange(0.0, _MOST_LAG_S, _LAG_STEP_S)
    errors = [np.square(told_at(lag_s) - measured).mean() for lag_s in lags_s]
    lag_s = float(lags_s[int(np.argmin(errors))])
    told = told_at(lag_s)
    pairs = [(kinematics.pose(a), kinematics.pose(b)) for a, b in zip(told, measured)]
    way_m = np.array([np.linalg.norm(a[:3] - b[:3]) for a, b in pairs])
    turn_rad = np.array([abs(math.remainder(a[3] - b[3], math.tau)) for a, b in pairs])
    answers_ms = 1000 * followed.answers_s
    reached = np.array([kinematics.pose(q)[:3] for q in measured])
    moved_m = float(np.ptp(reached, axis=0).max())
    told_m = float(np.ptp([kinematics.pose(q)[:3] for q in told], axis=0).max())
    figures = {
        "action_to_trajectory_ms": float(np.median(answers_ms)),
        "action_to_trajectory_worst_ms": float(answers_ms.max()),
        "lag_s": lag_s,
        "tracking_rms_mm": float(1000 * np.square(way_m).mean() ** 0.5),
        "tracking_worst_mm": float(1000 * way_m.max()),
        "rest_mm": float(1000 * way_m[-1]),
        "rest_degrees": float(math.degrees(turn_rad[-1])),
        "moved_mm": 1000 * moved_m,
        "told_mm": 1000 * told_m,
    }
    problems = []
    if told_m < _LEAST_WAY_M:
        problems.append(f"the robot's limits cut its way to {1000 * told_m:.1f} mm: raise them")
    elif moved_m < 0.5 * told_m:
        way = f"{1000 * moved_m:.1f} mm of {1000 * told_m:.1f}"
        problems.append(f"the tool moved by {way}: no controller follows")
    if lag_s > max_lag_s:
        problems.append(f"follows {1000 * lag_s:.0f} ms late, at most {1000 * max_lag_s:.0f}")
    if way_m[-1] > MAX_REST_M or turn_rad[-1] > MAX_REST_RAD:
        problems.append("at rest it is more than 2 mm or 1 degree from where it was told to be")
    return judged(
        "motion", problems,
        f"action to trajectory {figures['action_to_trajectory_ms']:.1f} ms (worst "
        f"{figures['action_to_trajectory_worst_ms']:.1f}), the arm follows {1000 * lag_s:.0f} ms "
        f"later, within {figures['tracking_rms_mm']:.2f} mm (RMS, worst "
        f"{figures['tracking_worst_mm']:.2f}), at rest {figures['rest_mm']:.2f} mm and "
        f"{figures['rest_degrees']:.2f} degrees; it moved by {1000 * moved_m:.0f} mm, told "
        f"{1000 * told_m:.0f}",
        **figures,
    )  # fmt: skip
