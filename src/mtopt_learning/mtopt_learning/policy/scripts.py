"""The policies without a network, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mtopt_learning.policy.blobs import ON_PLATE, BlobFinder
from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_learning.policy.random_policy import RandomPolicy
from mtopt_learning.policy.scripted_pick import CAREFUL, CLEAN, CLEAN_PICK, CLOTH, ScriptedPick
from mtopt_learning.policy.scripted_place import COVER, PUT_DOWN, ScriptedPlace
from mtopt_learning.policy.scripted_rearrange import ScriptedRearrange
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import TaskList

SCRIPTS: Mapping[str, Callable[[TaskList, PinholeCamera], Policy]] = {
    "random": lambda tasks, camera: RandomPolicy(),
    "scripted_pick": lambda tasks, camera: ScriptedPick(camera),
    CLEAN_PICK: lambda tasks, camera: ScriptedPick(camera, CLEAN),
    "scripted_cloth": lambda tasks, camera: ScriptedPick(camera, CLOTH),
    "scripted_place": lambda tasks, camera: ScriptedPlace(tasks),
    "scripted_cover": lambda tasks, camera: ScriptedPlace(
        tasks, COVER, BlobFinder(camera, ON_PLATE)
    ),
    "scripted_rearrange": lambda tasks, camera: ScriptedRearrange(
        ScriptedPick(camera, CAREFUL), ScriptedPlace(tasks, PUT_DOWN, clear_of=BlobFinder(camera))
    ),
}


def make_scripts(tasks: TaskList, camera: PinholeCamera) -> dict[str, Policy]:
    """All of them.

    Args:
        tasks: Of the cell.
        camera: The shoulder camera: what picks looks through it.
    """
    return {name: make(tasks, camera) for name, make in SCRIPTS.items()}
