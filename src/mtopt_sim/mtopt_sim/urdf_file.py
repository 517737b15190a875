"""Reads an expanded URDF into the same data as an SDF model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mtopt_sim.description import (
    Camera,
    Collision,
    Joint,
    Link,
    Model,
    Shape,
    Visual,
    transform,
)
from mtopt_sim.known_elements import MOMENTS, URDF, check_known
from mtopt_sim.part_checks import checked_inertia, checked_joint, checked_shape
from mtopt_sim.xml_reader import Element, read_xml

_DEFAULT_RGBA = (0.7, 0.7, 0.7, 1.0)


def read_urdf(path: Path, name: str, pose: np.ndarray) -> Model:
    """Reads a URDF.

    Args:
        path: The URDF (expanded, no xacro).
        name: The model's name in the world.
        pose: (4, 4) of its root link in the world.

    Raises:
        WorldFileError: The file is broken; names file, element and what was expected.
    """
    robot = read_xml(path, "robot")
    check_known(robot, URDF)
    colours = {
        material.attribute("name"): _colour(material) for material in robot.children("material")
    }
    links = {}
    for element in robot.children("link"):
        link = _link(element, colours)
        if link.name in links:
            raise element.fail("a second link of this name", "one")
        links[link.name] = link
    links = _gazebo_extensions(robot, links)
    joints = [_joint(element, links) for element in robot.children("joint")]
    placed = _place(robot, links, joints)
    joints = [replace(joint, pose=placed[joint.child]) for joint in joints]
    links = {key: replace(link, pose=placed[key]) for key, link in links.items() if key != "world"}
    return Model(name=name, pose=pose, static=False, links=links, joints=tuple(joints))


def _colour(material: Element) -> tuple[float, float, float, float]:
    colour = material.need("color")
    return tuple(colour.attribute_numbers("rgba", 4))


def _origin(element: Element) -> np.ndarray:
    origin = element.find("origin")
    if origin is None:
        return np.eye(4)
    return transform(
        origin.attribute_numbers("xyz", 3, "0 0 0"), origin.attribute_numbers("rpy", 3, "0 0 0")
    )


def _shape(element: Element) -> Shape:
    child = element.need("geometry").only_child()
    if child.tag == "box":
        size = child.attribute_numbers("size", 3)
    elif child.tag == "sphere":
        size = child.attribute_numbers("radius", 1)
    else:
        size = [child.attribute_numbers(key, 1)[0] for key in ("radius", "length")]
    return checked_shape(child, child.tag, size)


def _link(element: Element, colours) -> Link:
    inertial = element.find("inertial")
    inertia = None
    if inertial is not None:
        i = inertial.need("inertia")
        moments = [i.attribute_numbers(key, 1)[0] for key in MOMENTS.split()]
        mass = inertial.need("mass").attribute_numbers("value", 1)[0]
        inertia = checked_inertia(inertial, mass, _origin(inertial), moments)
    visuals = []
    for visual in element.children("visual"):
        material = visual.find("material")
        rgba = _DEFAULT_RGBA
        if material is not None:
            if material.find("color") is not None:
                rgba = _colour(material)
            elif material.attribute("name") in colours:
                rgba = colours[material.attribute("name")]
            else:
                raise material.fail("an unknown material", f"one of {sorted(colours)}")
        visuals.append(Visual(_origin(visual), _shape(visual), rgba))
    return Link(
        name=element.attribute("name"),
        pose=np.eye(4),
        inertia=inertia,
        collisions=tuple(Collision(_origin(c), _shape(c)) for c in element.children("collision")),
        visuals=tuple(visuals),
    )


def _gazebo_extensions(robot: Element, links: dict[str, Link]) -> dict[str, Link]:
    """Takes pad friction and cameras from the `<gazebo reference=LINK>` blocks."""
    out = dict(links)
    for block in robot.children("gazebo"):
        name = block.attribute("reference", "")
        if not name:
            continue
        if name not in out:
            raise block.fail(f"unknown link {name!r}", f"one of {sorted(out)}")
        link = out[name]
        if block.find("mu1") is not None:
            friction = block.number("mu1")
            link = replace(
                link, collisions=tuple(replace(c, friction=friction) for c in link.collisions)
            )
        cameras = tuple(
            read_camera(sensor)
            for sensor in block.children("sensor")
            if sensor.attribute("type") == "camera"
        )
        out[name] = replace(link, cameras=link.cameras + cameras)
    return out


def read_camera(sensor: Element) -> Camera:
    """A camera from an SDF `<sensor type="camera">`."""
    camera = sensor.need("camera")
    fov_rad = camera.number("horizontal_fov")
    if not 0 < fov_rad < np.pi:
        raise camera.fail(f"horizontal_fov {fov_rad}", "above 0 and below pi rad")
    near_m, far_m = camera.number("clip/near", 0.02), camera.number("clip/far", 20.0)
    if not 0 < near_m < far_m:
        raise camera.fail(f"clip {near_m} to {far_m}", "near above 0, far beyond it")
    return Camera(sensor.attribute("name"), sensor.pose(), fov_rad, near_m, far_m)


def _joint(element: Element, links) -> Joint:
    kind = element.attribute("type")
    if kind not in ("fixed", "revolute", "prismatic"):
        raise element.fail(f"type {kind!r}", "fixed, revolute or prismatic")
    parent = element.need("parent").attribute("link")
    child = element.need("child").attribute("link")
    for name in (parent, child):
        if name not in links:
            raise element.fail(f"unknown link {name!r}", f"one of {sorted(links)}")
    joint = Joint(element.attribute("name"), kind, parent, child, _origin(element), np.eye(3)[2])
    if kind == "fixed":
        return joint
    axis = element.find("axis")
    limit = element.need("limit")
    dynamics = element.find("dynamics")
    joint = replace(
        joint,
        axis=np.eye(3)[0] if axis is None else axis.attribute_numbers("xyz", 3),
        lower=limit.attribute_numbers("lower", 1)[0],
        upper=limit.attribute_numbers("upper", 1)[0],
        velocity=limit.attribute_numbers("velocity", 1)[0],
        effort=limit.attribute_numbers("effort", 1)[0],
        damping=0.0 if dynamics is None else dynamics.attribute_numbers("damping", 1, "0")[0],
        friction=0.0 if dynamics is None else dynamics.attribute_numbers("friction", 1, "0")[0],
        mimics=_mimicked(element),
    )
    return checked_joint(element, joint)


def _mimicked(element: Element) -> str | None:
    """The joint that this one copies."""
    mimic = element.find("mimic")
    if mimic is None:
        return None
    for name, value in (("multiplier", 1), ("offset", 0)):
        found = mimic.attribute_numbers(name, 1, str(value))[0]
        if found != value:
            raise mimic.fail(f"{name} {found}", f"{name} {value}: a copy of the other joint")
    return mimic.attribute("joint")


def _place(robot: Element, links, joints: list[Joint]) -> dict[str, np.ndarray]:
    """Poses of all links in the root's frame with every joint at 0."""
    children = {joint.child for joint in joints}
    if len(children) != len(joints):
        raise robot.fail("a link with two parent joints", "a tree")
    roots = [name for name in links if name not in children]
    if len(roots) != 1:
        raise robot.fail(f"root links {roots}", "exactly one root link")
    placed = {roots[0]: np.eye(4)}
    waiting = list(joints)
    while waiting:
        ready = [joint for joint in waiting if joint.parent in placed]
        if not ready:
            raise robot.fail(f"joints {[j.name for j in waiting]} in a loop", "a tree")
        for joint in ready:
            placed[joint.child] = placed[joint.parent] @ joint.pose
        waiting = [joint for joint in waiting if joint.child not in placed]
    return placed
