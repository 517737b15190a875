"""The scripts that show goals: those that collect first data, without their noise."""

from __future__ import annotations

from mtopt_bringup.policies import calibrated_camera
from mtopt_learning.policy.scripted_pick import CLEAN, CLEAN_PICK, ScriptedPick
from mtopt_learning.policy.scripted_place import PlaceConfig, ScriptedPlace
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import TaskList

CLEAN_PLACE = "clean_place"
CLEAN_PUT_DOWN = "clean_put_down"
_CLEAN = {"aim_noise_m": (0.0,), "step_noise_m": (0.0,)}
_PICKING_AREA = (-0.13, 0.13, -0.13, 0.11)
"""Where an object is put down: x low, x high, y low, y high, m, bin frame; the plate is beyond."""


def clean_scripts(tasks: TaskList) -> dict[str, Policy]:
    """By name: one lifts, one places on the plate, one puts down in the picking area."""
    put_down = PlaceConfig(
        sections={"any": _PICKING_AREA}, release_m=(0.022, 0.03), rises=2, **_CLEAN
    )
    return {
        CLEAN_PICK: clean_pick(),
        CLEAN_PLACE: ScriptedPlace(tasks, PlaceConfig(**_CLEAN)),
        CLEAN_PUT_DOWN: ScriptedPlace(tasks, put_down),
    }


def clean_pick() -> ScriptedPick:
    """Aims as well as the picture allows, and always tries again."""
    return ScriptedPick(calibrated_camera(), CLEAN)
