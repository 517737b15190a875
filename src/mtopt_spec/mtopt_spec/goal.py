"""A goal shown as a picture, and what the simulator knows of what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from mtopt_spec.errors import InputError

REACH_GOAL = "reach-goal"
"""The task's name in an episode that is to reach a goal picture; it is in no task file."""
KINDS = ("grasp", "place", "rearrange")


@dataclass(frozen=True)
class GoalTruth:
    """What a goal picture shows: for judging by the simulator's state, never a policy's input.

    Attributes:
        kind: `grasp`: the object is held above the floor. `place`: it lies on the plate's section.
            `rearrange`: it lies at a place of the bin.
        object: Name of the object that is to be moved.
        position_bin_m: Its centre (x, y, z) in the bin's frame.
        section: Plate section that it lies on, as in `SceneTruth.section`; "" for none.
    """

    kind: str
    object: str
    position_bin_m: tuple[float, float, float]
    section: str = ""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError("kind", where="goal", got=repr(self.kind), expected=KINDS)


@dataclass(frozen=True)
class Goal:
    """What an episode is to bring about.

    Attributes:
        image_jpeg: The picture.
        camera: Which of an observation's cameras took it.
        holding: The episode begins with an object in the gripper.
        truth: What the picture shows, where a simulator is to judge; None: somebody else judges.
    """

    image_jpeg: bytes
    camera: str = "shoulder"
    holding: bool = False
    truth: GoalTruth | None = None
