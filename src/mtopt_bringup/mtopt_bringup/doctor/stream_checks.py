"""Is a stream alive, fast and on the same clock? Judged by when its messages came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtopt_bringup.doctor.checks import Check, judged
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_spec.action import CONTROL_PERIOD_S
from mtopt_spec.robot import RobotConfig

MIN_JOINT_RATE_HZ = 2.0 / CONTROL_PERIOD_S
MIN_CAMERA_RATE_HZ = {True: 0.9 / CONTROL_PERIOD_S, False: 13.5}
"""Of one a tick; of a driver on hardware, where arm_node wants pictures of 0.1 s."""


@dataclass(frozen=True)
class Arrivals:
    """When the messages of a stream came.

    Attributes:
        stamps_s: (n,) stamp of each, s.
        clock_s: (n,) the cell's time when it came, s: wall time, or that of `/clock`.
    """

    stamps_s: np.ndarray
    clock_s: np.ndarray


def stream_figures(arrivals: Arrivals) -> dict[str, float]:
    """Rate (Hz), longest gap (s), median and worst of stamp minus clock (s)."""
    count = len(arrivals.clock_s)
    span_s = float(np.ptp(arrivals.clock_s)) if count else 0.0
    if count < 2 or not span_s > 0.0:
        return {"messages": count, "rate_hz": 0.0}
    offset_s = arrivals.stamps_s - arrivals.clock_s
    return {
        "messages": count,
        "rate_hz": (count - 1) / span_s,
        "longest_gap_s": float(np.diff(arrivals.clock_s).max()),
        "clock_offset_s": float(np.median(offset_s)),
        "clock_offset_worst_s": float(offset_s[np.abs(offset_s).argmax()]),
        "stamps_backwards": int((np.diff(arrivals.stamps_s) < 0).sum()),
    }


def check_stream(
    name: str,
    topic: str,
    arrivals: Arrivals,
    min_rate_hz: float,
    max_offset_s: float,
    unheard: Sequence[str] = (),
) -> Check:
    """Rate and clock of a stream, and whether the cell's nodes hear it.

    Args:
        name: Of the check.
        topic: For the words.
        arrivals: What came.
        min_rate_hz: Least rate.
        max_offset_s: Largest distance of its stamps from the cell's time.
        unheard: Which nodes do not hear it, and why.
    """
    figures = stream_figures(arrivals)
    if figures["rate_hz"] == 0.0:
        return judged(
            name, [f"{figures['messages']} messages on {topic}"], "is its driver started in the "
            "robot's namespace, and is ROS_DOMAIN_ID the same?", **figures,
        )  # fmt: skip
    rate_hz, offset_s = figures["rate_hz"], figures["clock_offset_s"]
    problems = [*unheard]
    if rate_hz < min_rate_hz:
        problems.append(f"slower than {min_rate_hz:g} Hz")
    if abs(offset_s) > max_offset_s:
        problems.append(
            f"stamps are more than {1000 * max_offset_s:.0f} ms from this machine's time: "
            "synchronise the clocks"
        )
    if figures["stamps_backwards"]:
        problems.append(f"{figures['stamps_backwards']} stamps go back")
    return judged(
        name, problems,
        f"{rate_hz:.1f} Hz, longest gap {1000 * figures['longest_gap_s']:.0f} ms, stamp less clock "
        f"{1000 * offset_s:+.1f} ms (worst {1000 * figures['clock_offset_worst_s']:+.1f} ms)",
        **figures,
    )  # fmt: skip


def check_joints(
    robot: RobotConfig,
    kinematics: ArmKinematics | None,
    names: Sequence[str],
    position: Sequence[float],
) -> Check:
    """The last joint state has every joint of the folder, each within its limits."""
    needed = (*robot.arm_joints, robot.finger_joint, robot.hinge_joint)
    missing = [name for name in needed if name not in names]
    problems = [f"no {', '.join(missing)} among {list(names)}"] * bool(missing)
    here = dict(zip(names, position))
    if kinematics is not None:
        for joint, low, high in zip(
            robot.arm_joints, kinematics.position_low, kinematics.position_high
        ):
            if joint in here and not low - 1e-3 <= here[joint] <= high + 1e-3:
                problems.append(f"{joint} at {here[joint]:.3f} rad, limits {low:.3f} to {high:.3f}")
    gripper = robot.gripper
    low, high = sorted((gripper.joint_open, gripper.joint_closed))
    slack = 0.1 * (high - low)
    finger = here.get(robot.finger_joint)
    if finger is not None and not low - slack <= finger <= high + slack:
        problems.append(
            f"{robot.finger_joint} at {finger:.3f}, between joint_closed and joint_open expected"
        )
    pose = ""
    if kinematics is not None and not missing:
        x, y, z, azimuth = kinematics.pose(np.array([here[name] for name in robot.arm_joints]))
        pose = f"tool at ({x:.3f}, {y:.3f}, {z:.3f}) m in the bin, azimuth {azimuth:.2f} rad"
    return judged("joints", problems, pose or f"{len(names)} joints")
