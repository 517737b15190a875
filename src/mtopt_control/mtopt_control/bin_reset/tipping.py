"""The plan of a bin reset: retract, tip back and forth, level."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from dataclasses import replace

from mtopt_control.episode.arm_requests import LongWay
from mtopt_control.episode.requests import Act, CellFault, ReadHinge, Request
from mtopt_spec import seeds
from mtopt_spec.action import CONTROL_PERIOD_S, Action, ArmError, Kind
from mtopt_spec.interfaces import Fault
from mtopt_spec.observation import Observation
from mtopt_spec.robot import RobotConfig

_LEVEL_PERIODS = 40
_LEVEL_RAD = 0.02
_LATE = (ArmError.STALE_STATE, ArmError.STALE_OBSERVATION, ArmError.NO_HEARTBEAT)
_LATE_PERIODS = 25
_MOVES = (ArmError.NONE, ArmError.LIMITS, ArmError.TRACKING)


class ResetCanceled(Exception):
    """Thrown into `tip_bin` to end it early: the bin is levelled first."""


class ResetFailed(CellFault):
    """The reset did not come off.

    Args:
        part: `arm` or `hinge`.
        message: What happened.
    """

    def __init__(self, part: str, message: str):
        super().__init__(Fault.ARM, message)
        self.part = part


class ResetStopped(ResetFailed):
    """The arm was stopped: the bin is left where it was then, tilted or not."""


def tip_bin(
    robot: RobotConfig, seed: int, period_s: float = CONTROL_PERIOD_S
) -> Generator[Request, object, Observation]:
    """Opens the gripper, retracts the arm, tips the bin through its stages and levels it.

    Each stage of `robot.bin_reset` lasts a time drawn between its bounds. The arm keeps the
    retracted posture all the while. Where it is stopped, the bin stops too, wherever it is.

    Args:
        robot: The robot's file.
        seed: Of the stages' times.
        period_s: Control period.

    Returns:
        The observation after the last control period.

    Raises:
        ResetFailed: The arm does not retract (then the bin is not moved) or is stopped, or the
            hinge does not follow.
        ResetCanceled: It was thrown in; the bin is level again.
    """
    yield from _retract()
    draw = seeds.generator(seed, "tip_bin")
    canceled = None
    try:
        for angle_rad, shortest_s, longest_s in robot.bin_reset:
            periods = max(1, round(float(draw.uniform(shortest_s, longest_s)) / period_s))
            for _ in range(periods):
                sent = yield from _once_alive(
                    Act(Action(Kind.HOLD), hinge_angle_rad=float(angle_rad))
                )
                if sent.error == ArmError.STOPPED:
                    yield from _stop(sent.error_msg)
                if sent.error not in (ArmError.NONE, ArmError.LIMITS):
                    raise ResetFailed("arm", f"{sent.error.name}: {sent.error_msg}")
    except ResetCanceled as request:
        canceled = request
    except ResetStopped:
        raise
    except ResetFailed as failure:
        yield from _level()
        raise failure
    observation = yield from _level()
    if canceled is not None:
        raise canceled
    return observation


def _retract():
    way, stuck = LongWay(), False
    while not stuck:
        sent = yield from _once_alive(Act(Action(Kind.RETRACT, open=True)))
        if sent.error not in _MOVES:  # of a motion that was broken off: a hold lets the arm go on
            sent = yield from _once_alive(Act(Action(Kind.HOLD)))
        if sent.error not in _MOVES:
            raise ResetFailed("arm", f"cannot retract: {sent.error.name}: {sent.error_msg}")
        if sent.arrived:
            return
        stuck = way.is_stuck(sent)
    raise ResetFailed("arm", f"not retracted: held back in {way.hindered} control periods")


def _once_alive(act: Act):
    """Asks for a hold where a sign of life was late, until there is one; the bin holds, too."""
    moves = act.hinge_angle_rad is not None
    for _ in range(_LATE_PERIODS):
        sent, _ = yield act
        if sent.error not in _LATE:
            break
        act = Act(Action(Kind.HOLD))
        if moves:
            act = replace(act, hinge_angle_rad=(yield from _where_it_is()))
    return sent


def _where_it_is():
    """The hinge's angle, as the target that stops it; None where nobody measures it."""
    angle_rad = yield ReadHinge()
    return angle_rad if math.isfinite(angle_rad) else None


def _stop(error_msg: str):
    """Stops the bin wherever it is, as the arm is; raises `ResetStopped`."""
    still = yield from _where_it_is()
    with contextlib.suppress(ResetCanceled):
        yield Act(Action(Kind.HOLD), hinge_angle_rad=still)
    raise ResetStopped("arm", f"{ArmError.STOPPED.name}: {error_msg}")


def _level():
    """Levels the bin and waits until it is; returns the last observation. A cancel waits, too."""
    canceled = None
    for _ in range(_LEVEL_PERIODS):
        try:
            sent, observation = yield Act(Action(Kind.HOLD), hinge_angle_rad=0.0)
        except ResetCanceled as request:
            canceled = request
            continue
        if sent.error == ArmError.STOPPED:
            yield from _stop(sent.error_msg)
        angle_rad = yield ReadHinge()
        if abs(angle_rad) < _LEVEL_RAD:
            if canceled is not None:
                raise canceled
            return observation
    raise ResetFailed(
        "hinge", f"hinge at {angle_rad:.3f} rad after {_LEVEL_PERIODS} control periods, not level"
    )
