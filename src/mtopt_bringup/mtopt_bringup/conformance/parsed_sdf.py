"""A world as Gazebo's own parser reads it: URDF turned into SDF, includes resolved."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from mtopt_bringup.conformance.mechanism import JointFacts, Placed
from mtopt_sim.description import inverse, transform
from mtopt_spec.errors import InputError

PARSERS = ("gz", "ign")
_SHEET = "{urn:mtopt:sdf}sheet"


def parser() -> str | None:
    """The program that has Gazebo's parser on this machine."""
    return next((name for name in PARSERS if shutil.which(name)), None)


def parsed_world(path: Path) -> Element:
    """The `<world>` of a file, as `gz sdf -p` prints it.

    Without that program the includes are put in here, but for a URDF, which only it turns into
    SDF.

    Raises:
        InputError: The parser refuses the file.
    """
    program = parser()
    return _put_includes_in(path) if program is None else _printed(path, program)


@functools.cache
def _printed(path: Path, program: str) -> Element:
    models = str(path.parent / "models")
    environment = {**os.environ, "SDF_PATH": models, "GZ_SIM_RESOURCE_PATH": models}
    environment.pop("LD_LIBRARY_PATH", None)  # the Ruby tool must not take our libraries
    done = subprocess.run(
        [program, "sdf", "-p", str(path)], env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise InputError(
            "world", where=path, got=(done.stderr.strip() or "no output").splitlines()[-1],
            expected="a file that Gazebo's parser takes",
        )  # fmt: skip
    return ElementTree.fromstring(done.stdout).find("world")


def _put_includes_in(path: Path) -> Element:
    world = ElementTree.parse(path).getroot().find("world")
    for include in world.findall("include"):
        folder = path.parent / "models" / include.findtext("uri").removeprefix("model://")
        if not (folder / "model.sdf").exists():
            continue
        model = ElementTree.parse(folder / "model.sdf").getroot().find("model")
        model.set("name", include.findtext("name"))
        pose = include.find("pose")
        if pose is not None:
            model.append(pose)
        world.append(model)
    return world


@dataclass
class _Joint:
    kind: str
    parent: str
    child: str
    frame: np.ndarray
    axis: np.ndarray


@dataclass
class _Model:
    """Links and joints with every joint at zero; poses (4, 4) are in the model's frame."""

    pose: np.ndarray
    links: dict[str, np.ndarray] = field(default_factory=dict)
    masses: dict[str, tuple[float, np.ndarray, np.ndarray]] = field(default_factory=dict)
    joints: dict[str, _Joint] = field(default_factory=dict)


class SdfMechanism:
    """Joints and masses of a parsed world.

    Args:
        world: The `<world>`.
    """

    def __init__(self, world: Element):
        frames = {e.get("name"): _values(e.find("pose")) for e in world.findall("frame")}
        self._models: dict[str, _Model] = {}
        self.joints: dict[str, JointFacts] = {}
        self.soft: set[str] = set()
        """Models that are a cloth in MuJoCo."""
        for element in world.findall("model"):
            self._add(element, frames)

    @property
    def names(self) -> set[str]:
        """Of all bodies that can move."""
        return set(self.at({}))

    def _add(self, element: Element, frames: Mapping[str, np.ndarray]) -> None:
        name, pose = element.get("name"), element.find("pose")
        reference = "" if pose is None else pose.get("relative_to", "")
        base = np.eye(4)
        if reference in self._models:
            base = self._models[reference].pose
        elif reference not in ("", "world"):
            base = frames[reference]
        if element.findtext("static", "false") in ("true", "1"):
            return
        model = self._models[name] = _Model(base @ _values(pose))
        places = _places(element)
        for link in element.findall("link"):
            key = link.get("name")
            model.links[key] = places[key]
            if link.find(_SHEET) is not None:
                self.soft.add(name)
            inertial = link.find("inertial")
            if inertial is not None:
                model.masses[key] = _inertial(inertial)
        for joint in element.findall("joint"):
            self._add_joint(name, model, joint, places[joint.get("name")])

    def _add_joint(self, model_name: str, model: _Model, joint: Element, frame) -> None:
        kind = joint.get("type")
        axis = np.zeros(3)
        if kind != "fixed":
            xyz = joint.find("axis/xyz")
            axis = np.array([float(v) for v in xyz.text.split()])
            expressed_in = xyz.get("expressed_in", "")
            if expressed_in == "__model__":
                axis = frame[:3, :3].T @ axis
            elif expressed_in:
                raise InputError(
                    "axis", where=joint.get("name"), got=expressed_in, expected="__model__ or none"
                )
            limit = {
                key: float(joint.findtext(f"axis/limit/{key}", "nan"))
                for key in ("lower", "upper", "effort", "velocity")
            }
            self.joints[f"{model_name}/{joint.get('name')}"] = JointFacts(kind, **limit)
        model.joints[joint.get("name")] = _Joint(
            kind, joint.findtext("parent"), joint.findtext("child"), frame, axis
        )

    def at(self, positions: Mapping[str, float]) -> dict[str, Placed]:
        """See `Mechanism`."""
        placed = {}
        for name, model in self._models.items():
            placed |= _place(name, model, positions)
        return placed


def _place(name: str, model: _Model, positions: Mapping[str, float]) -> dict[str, Placed]:
    """Bodies of one model; what is fixed to the world is none."""
    moved = {"world": np.eye(4)}  # by how much each link is moved away from its place at zero
    carrier: dict[str, str | None] = {"world": None}
    children = {joint.child for joint in model.joints.values()}
    for link in model.links:
        if link not in children:
            moved[link] = np.eye(4)
            carrier[link] = f"{name}/{link}" if not model.joints else None
    frames: dict[str, tuple[np.ndarray, np.ndarray]] = {
        f"{name}/{link}": (model.pose @ model.links[link], np.zeros(3))
        for link in model.links
        if carrier.get(link)
    }
    waiting = dict(model.joints)
    while waiting:
        key, joint = next((k, j) for k, j in waiting.items() if j.parent in moved)
        del waiting[key]
        body = f"{name}/{key}"
        motion = np.eye(4)
        carrier[joint.child] = carrier[joint.parent]
        if joint.kind != "fixed":
            motion = _motion(joint.kind, joint.axis, positions.get(body, 0.0))
            carrier[joint.child] = body
        moved[joint.child] = moved[joint.parent] @ joint.frame @ motion @ inverse(joint.frame)
        frame = model.pose @ moved[joint.child] @ joint.frame
        frames[body] = (frame, frame[:3, :3] @ joint.axis)
    masses: dict[str, list] = {}
    for link, (mass, local, matrix) in model.masses.items():
        if carrier[link] is not None:
            pose = model.pose @ moved[link] @ model.links[link] @ local
            masses.setdefault(carrier[link], []).append((mass, pose, matrix))
    return {
        body: Placed(frames[body][0][:3, 3], frames[body][1], *_sum(parts))
        for body, parts in masses.items()
    }


def _motion(kind: str, axis: np.ndarray, position: float) -> np.ndarray:
    out = np.eye(4)
    axis = axis / np.linalg.norm(axis)
    if kind == "prismatic":
        out[:3, 3] = position * axis
        return out
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    out[:3, :3] += np.sin(position) * cross + (1 - np.cos(position)) * cross @ cross
    return out


def _sum(parts: list[tuple[float, np.ndarray, np.ndarray]]) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre (3,) and inertia (3, 3) about it of bodies that are one."""
    mass = sum(m for m, _, _ in parts)
    centre = sum(m * pose[:3, 3] for m, pose, _ in parts) / mass
    inertia = np.zeros((3, 3))
    for m, pose, matrix in parts:
        arm = pose[:3, 3] - centre
        inertia += pose[:3, :3] @ matrix @ pose[:3, :3].T
        inertia += m * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return mass, centre, inertia


def _inertial(element: Element) -> tuple[float, np.ndarray, np.ndarray]:
    def number(key: str) -> float:
        return float(element.findtext(f"inertia/{key}", "0"))

    xx, xy, xz, yy, yz, zz = map(number, ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))
    matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return float(element.findtext("mass")), _values(element.find("pose")), matrix


def _values(pose: Element | None) -> np.ndarray:
    if pose is None or not (pose.text or "").strip():
        return np.eye(4)
    numbers = [float(v) for v in pose.text.split()]
    return transform(numbers[:3], numbers[3:])


def _places(model: Element) -> dict[str, np.ndarray]:
    """(4, 4) of every link, joint and frame in the model's frame, joints at zero."""
    waiting = {
        e.get("name"): e
        for e in [*model.findall("link"), *model.findall("joint"), *model.findall("frame")]
    }
    places = {"__model__": np.eye(4)}
    while waiting:
        before = len(waiting)
        for name, element in list(waiting.items()):
            pose = element.find("pose")
            # A joint is in its child's frame, a link in the model's, unless the pose says else.
            default = element.findtext("child") if element.tag == "joint" else "__model__"
            default = element.get("attached_to", default)
            reference = (None if pose is None else pose.get("relative_to")) or default
            if reference in places:
                places[name] = places[reference] @ _values(pose)
                del waiting[name]
        if len(waiting) == before:
            raise InputError(
                "poses", where=model.get("name"), got=sorted(waiting), expected="known frames"
            )
    return places
