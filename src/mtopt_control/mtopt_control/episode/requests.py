"""What a robot's life asks of the world around it, and what it is answered.

The generators of `episode.machine` and `bin_reset.tipping` yield these; a harness answers by
`send`. It reports that an answer cannot be had by throwing `CellFault` into the generator.
"""

from __future__ import annotations

from dataclasses import dataclass

from mtopt_spec.action import Action
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd, Step
from mtopt_spec.goal import Goal
from mtopt_spec.interfaces import Fault, PolicyRequest, TaskRequest
from mtopt_spec.observation import Observation


class CellFault(Exception):
    """An answer cannot be had: stale observation, dead policy, refusing arm.

    Args:
        fault: What failed.
        message: The same in words.
    """

    def __init__(self, fault: Fault, message: str):
        super().__init__(f"{fault.name}: {message}")
        self.fault = fault
        self.message = message


@dataclass(frozen=True)
class AskTask:
    """Report and ask for the next task. Answer: `Assignment`, or None when the run is over.

    The harness puts in the stamp of the present tick where `request.stamp_s` is NaN.
    """

    request: TaskRequest


@dataclass(frozen=True)
class NewScene:
    """Simulation: put other objects into the bin. Answer: their names, once they lie still."""

    seed: int


@dataclass(frozen=True)
class ResetBin:
    """Tip the bin (`bin_reset.tipping.tip_bin`). Answer: the `Observation` of the tick after."""

    seed: int


@dataclass(frozen=True)
class Look:
    """Answer: the `Observation` of the present tick. No time passes."""


@dataclass(frozen=True)
class Act:
    """Carry out an action for one control period: the only request that lets time pass.

    Answer: (`SentAction`, the `Observation` of the next tick).

    Attributes:
        action: For the arm.
        hinge_angle_rad: Target of the bin's hinge from now on; None leaves it.
        episode_id: Of the episode that this step belongs to; empty outside one.
        step_index: 0-based within the episode.
    """

    action: Action
    hinge_angle_rad: float | None = None
    episode_id: str = ""
    step_index: int = 0


@dataclass(frozen=True)
class ReadHinge:
    """Answer: the hinge's measured angle at the present tick, rad."""


@dataclass(frozen=True)
class Choose:
    """Ask the policy. Answer: `PolicyAnswer`."""

    request: PolicyRequest


@dataclass(frozen=True)
class Judge:
    """Ask the success detector. Answer: a list of `TaskLabel`."""

    observation: Observation
    episode_id: str


@dataclass(frozen=True)
class LabelByTruth:
    """Ask the simulator's truth. Answer: a list of `TaskLabel`; empty on hardware.

    With a goal that has a truth, a label of `REACH_GOAL` is among them.
    """

    observation: Observation
    goal: Goal | None = None


@dataclass(frozen=True)
class Begin:
    """Record an episode's begin, and the goal that it is to reach. Answer: None."""

    begin: EpisodeBegin
    observation: Observation
    goal: Goal | None = None


@dataclass(frozen=True)
class RecordStep:
    """Record a step that was carried out. Answer: None. (Nodes record what they hear instead.)"""

    step: Step


@dataclass(frozen=True)
class End:
    """Record an episode's end. Answer: True once it is on disk, False where it was refused.

    The harness fills in `dropped_frames` and `late_frames`.
    """

    end: EpisodeEnd
    last_observation: Observation


@dataclass(frozen=True)
class Recover:
    """Wait until observations come again after a fault. Answer: None; nothing is thrown here."""

    fault: Fault
    message: str


Request = (
    AskTask
    | NewScene
    | ResetBin
    | Look
    | Act
    | ReadHinge
    | Choose
    | Judge
    | LabelByTruth
    | Begin
    | RecordStep
    | End
    | Recover
)
