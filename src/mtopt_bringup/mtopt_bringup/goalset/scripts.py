"""The scripts that show goals: those that collect first data, without their noise."""

from __future__ import annotations

from dataclasses import replace

from mtopt_bringup.policies import calibrated_camera
from mtopt_learning.policy.blobs import BlobFinder
from mtopt_learning.policy.scripted_pick import CLEAN, CLEAN_PICK, ScriptedPick
from mtopt_learning.policy.scripted_place import PUT_DOWN, PlaceConfig, ScriptedPlace
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import TaskList

CLEAN_PLACE = "clean_place"
CLEAN_PUT_DOWN = "clean_put_down"
_CLEAN = {"aim_noise_m": (0.0,), "step_noise_m": (0.0,)}


def clean_scripts(tasks: TaskList) -> dict[str, Policy]:
    """By name: one lifts, one places on the plate, one puts down in the picking area."""
    return {
        CLEAN_PICK: clean_pick(),
        CLEAN_PLACE: ScriptedPlace(tasks, PlaceConfig(**_CLEAN)),
        CLEAN_PUT_DOWN: ScriptedPlace(
            tasks, replace(PUT_DOWN, **_CLEAN), clear_of=BlobFinder(calibrated_camera())
        ),
    }


def clean_pick() -> ScriptedPick:
    """Aims as well as the picture allows, and always tries again."""
    return ScriptedPick(calibrated_camera(), CLEAN)
