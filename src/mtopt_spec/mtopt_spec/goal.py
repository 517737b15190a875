"""A goal shown in pictures, and what the simulator knows of what they show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
        images_jpeg: Camera to its picture, one or more of an observation's cameras.
        holding: The episode begins with an object in the gripper.
        truth: What the pictures show, where a simulator is to judge; None: somebody else judges.

    Raises:
        InputError: There is no picture.
    """

    images_jpeg: Mapping[str, bytes]
    holding: bool = False
    truth: GoalTruth | None = None

    def __post_init__(self):
        if not self.images_jpeg or not all(self.images_jpeg.values()):
            raise InputError(
                "images_jpeg", where="goal",
                got={camera: f"{len(image)} bytes" for camera, image in self.images_jpeg.items()},
                expected="a picture of one camera or more",
            )  # fmt: skip

    def check_cameras(self, names: Collection[str], where: str) -> None:
        """Raises `InputError` where a picture is of none of a robot's cameras."""
        if not set(self.images_jpeg) <= set(names):
            raise InputError(
                "cameras", where=where, got=list(self.images_jpeg),
                expected=f"some of {list(names)}",
            )  # fmt: skip
