"""What a life asks of the arm beside an episode's steps, and what its errors mean."""

from __future__ import annotations

import numpy as np

from mtopt_control.episode.requests import Act, CellFault, Recover
from mtopt_spec.action import Action, ArmError, Kind, SentAction
from mtopt_spec.interfaces import Fault

FAULT_OF_ARM = {
    ArmError.INVALID_ACTION: Fault.POLICY,
    ArmError.STALE_STATE: Fault.ARM,
    ArmError.STOPPED: Fault.ARM,
    ArmError.TRACKING: Fault.ARM,
    ArmError.STALE_OBSERVATION: Fault.STALE_OBSERVATION,
    ArmError.NO_HEARTBEAT: Fault.ARM,
    ArmError.EFFORT: Fault.ARM,
    ArmError.BUSY: Fault.ARM,
}
"""Arm errors that make an episode void; at the edge of reach (others) the arm only moves less."""
_NOT_READY = {
    ArmError.STOPPED,
    ArmError.STALE_STATE,
    ArmError.NO_HEARTBEAT,
    ArmError.EFFORT,
    ArmError.BUSY,
}
"""Arm errors that pass, at the latest when somebody has seen to the arm."""
_STUCK_PERIODS = 60


class LongWay:
    """An arm that homes or retracts, in as many control periods as its limits make it take.

    Attributes:
        hindered: Control periods in which it was held back or did not come on.
    """

    def __init__(self):
        self.hindered = 0
        self._at: np.ndarray | None = None

    def is_stuck(self, sent: SentAction) -> bool:
        """Takes an answer; True where nothing more is to be hoped for."""
        still = self._at is not None and np.array_equal(sent.target_position, self._at)
        self._at = sent.target_position
        self.hindered += still or sent.error in (ArmError.TRACKING, ArmError.BUSY)
        return self.hindered >= _STUCK_PERIODS


def go_home(offset_m: tuple[float, float, float], *, opened: bool):
    """Moves home in as many control periods as it takes, at least one."""
    action, way, stuck = Action(Kind.HOME, open=opened, home_offset_m=offset_m), LongWay(), False
    while not stuck:
        sent, observation = yield Act(action)
        if sent.error not in (ArmError.TRACKING, ArmError.BUSY):  # another try may pass
            check_arm(sent)
        if sent.arrived:
            return observation
        stuck = way.is_stuck(sent)
    raise CellFault(Fault.ARM, f"not home: held back in {way.hindered} control periods")


def check_arm(sent: SentAction) -> None:
    """Raises the `CellFault` of an error that makes an episode void."""
    if sent.error in FAULT_OF_ARM:
        raise CellFault(FAULT_OF_ARM[sent.error], f"{sent.error.name}: {sent.error_msg}")


def recover(fault: CellFault):
    """Waits until observations come again and the arm takes commands, holding all the while."""
    while True:
        try:
            yield Recover(fault.fault, fault.message)
            sent, _ = yield Act(Action(Kind.HOLD))
            while sent.error in _NOT_READY:
                sent, _ = yield Act(Action(Kind.HOLD))
            return
        except CellFault as another:
            fault = another
