"""What a world must have of a robot's station."""

from __future__ import annotations

from mtopt_sim.description import World
from mtopt_sim.xml_reader import WorldFileError

_LINKS = {
    "": ("gripper_left_finger", "gripper_right_finger", "tool0"),
    "_bin": ("tray",),
    "_shoulder_camera": (),
}
"""Ending of a model's name behind the robot's, to its links."""
_CAMERA = "shoulder"


def check_parts(world: World, robot: str) -> None:
    """Looks for what every station has.

    Raises:
        WorldFileError: A model, link or camera of this robot is missing.
    """
    for ending, links in _LINKS.items():
        model = world.models.get(f"{robot}{ending}")
        if model is None:
            raise _missing(world, f"no model {robot}{ending}")
        for link in links:
            if link not in model.links:
                raise _missing(world, f"no link {link} in model {model.name}")
    cameras = [camera for link in model.links.values() for camera in link.cameras]
    if _CAMERA not in [camera.name for camera in cameras]:
        raise _missing(world, f"no camera {_CAMERA} in model {model.name}")


def _missing(world: World, what: str) -> WorldFileError:
    expected = "arm, bin and shoulder camera of every robot"
    return WorldFileError("station", where=world.path, got=what, expected=expected)
