"""The cell in another light and with its shoulder cameras knocked out of place."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from mtopt_sim.cell import world_file


@dataclass(frozen=True)
class Shift:
    """What has changed.

    Attributes:
        light: Factor on the strength of light and ambient light.
        light_from: Direction in which the light now shines.
        camera_m: Added to the shoulder cameras' position.
        camera_rad: Added to their roll, pitch and yaw.
    """

    light: float = 0.5
    light_from: tuple[float, float, float] = (0.5, -0.4, -0.77)
    camera_m: tuple[float, float, float] = (0.03, -0.03, 0.02)
    camera_rad: tuple[float, float, float] = (0.0, 0.05, 0.06)


def write_shifted_world(folder: Path, shift: Shift) -> Path:
    """Writes a copy of the installed world with its models; gives the world file."""
    source = world_file()
    shutil.copytree(source.parent / "models", folder / "models", dirs_exist_ok=True)
    tree = ElementTree.parse(source)
    world = tree.getroot().find("world")
    for path, factor in (("light/diffuse", shift.light), ("scene/ambient", shift.light)):
        for element in world.findall(path):
            *rgb, alpha = (float(x) for x in element.text.split())
            element.text = " ".join(f"{x:.4g}" for x in (*(factor * x for x in rgb), alpha))
    for element in world.findall("light/direction"):
        element.text = " ".join(map(str, shift.light_from))
    for include in world.findall("include"):
        if include.findtext("uri") == "model://shoulder_camera":
            pose = include.find("pose")
            moved = zip(pose.text.split(), (*shift.camera_m, *shift.camera_rad), strict=True)
            pose.text = " ".join(f"{float(x) + by:.4g}" for x, by in moved)
    tree.write(folder / source.name)
    return folder / source.name
