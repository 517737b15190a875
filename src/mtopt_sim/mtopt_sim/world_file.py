"""Reads an SDF world with the models that it includes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mtopt_sim.description import (
    Collision,
    Joint,
    Light,
    Link,
    Model,
    Shape,
    Visual,
    World,
)
from mtopt_sim.known_elements import MOMENTS, SDF, check_known
from mtopt_sim.part_checks import checked_inertia, checked_joint, checked_shape
from mtopt_sim.sheet import read_sheet
from mtopt_sim.urdf_file import read_camera, read_urdf
from mtopt_sim.xml_reader import Element, WorldFileError, read_xml

_SDF_VERSION = "1.9"


def read_world(path: Path, robot: str | None = None) -> World:
    """Reads a world file.

    Args:
        path: The SDF file; `model://NAME` is looked for in the folder `models` beside it.
        robot: Only this robot's station (models `robot` and `robot_...`) and what belongs to no
            robot; None for everything.

    Raises:
        WorldFileError: The file, or one that it includes, is broken; names file, element and
            what was expected.
    """
    path = Path(path)
    world = _sdf_root(path).need("world")
    frames: dict[str, np.ndarray] = {}
    models: dict[str, Model] = {}
    stations = _station_names(world)
    for element in world.all_children():
        if element.tag == "frame":
            frames[element.attribute("name")] = _pose(element, frames, models)
        elif element.tag == "include":
            name = element.text("name")
            if robot is not None and _owner(name, stations) not in (None, robot):
                continue
            _add(models, element, _include(element, path, name, frames, models))
        elif element.tag == "model":
            name = element.attribute("name")
            pose = _pose(element, frames, models)
            _add(models, element, _model(element, name, pose))
    if robot is not None and robot not in models:
        raise world.fail(f"no model {robot!r}", f"an <include> named {robot}")
    scene = world.find("scene")
    physics = _physics(world)
    step_s = physics.number("max_step_size")
    if not step_s > 0:
        raise physics.fail(f"max_step_size {step_s}", "above 0")
    return World(
        path=path,
        name=world.attribute("name"),
        step_s=step_s,
        gravity=world.numbers(3, "gravity", (0, 0, -9.81)),
        ambient=_rgb(scene, "ambient", (0.4, 0.4, 0.4)),
        background=_rgb(scene, "background", (0.7, 0.7, 0.7)),
        models=models,
        lights=tuple(_light(element) for element in world.children("light")),
        frames=frames,
    )


def _physics(world: Element) -> Element:
    """The profile for MuJoCo: that of type `ignored`; Gazebo takes the one that is its default."""
    profiles = world.children("physics")
    ours = [profile for profile in profiles if profile.attribute("type", "") == "ignored"]
    return ours[0] if ours else world.need("physics")


def robot_names(path: Path) -> tuple[str, ...]:
    """Names of the robots of a world file, in its order: the models with a bin (`NAME_bin`)."""
    return _station_names(_sdf_root(Path(path)).need("world"))


def world_name(path: Path) -> str:
    """The name of a world file's world, by which Gazebo's services go."""
    return _sdf_root(Path(path)).need("world").attribute("name")


def _station_names(world: Element) -> tuple[str, ...]:
    names = [include.text("name", "") for include in world.children("include")]
    return tuple(name for name in names if f"{name}_bin" in names)


def _owner(name: str, stations: tuple[str, ...]) -> str | None:
    for station in stations:
        if name == station or name.startswith(f"{station}_"):
            return station
    return None


def _sdf_root(path: Path) -> Element:
    root = read_xml(path, "sdf")
    version = root.attribute("version")
    if version != _SDF_VERSION:
        raise root.fail(f"version {version}", f"version {_SDF_VERSION}")
    check_known(root, SDF)
    return root


def _add(models: dict[str, Model], element: Element, model: Model) -> None:
    if model.name in models:
        raise element.fail(f"a second model {model.name!r}", "a name of its own")
    loose = set(model.links) - {joint.child for joint in model.joints}
    if len(loose) > 1 and not model.static:
        raise element.fail(f"links {sorted(loose)} that nothing joins", "one, or a static model")
    models[model.name] = model


def _include(element: Element, world_path: Path, name: str, frames, models) -> Model:
    uri = element.text("uri")
    if not uri.startswith("model://"):
        raise element.fail(f"uri {uri!r}", "model://NAME")
    folder = world_path.parent / "models" / uri.removeprefix("model://")
    if not (folder / "model.config").is_file():
        raise element.fail(f"uri {uri!r}", f"a model at {folder}")
    config = read_xml(folder / "model.config", "model")
    file = folder / config.text("sdf")
    if file.suffix == ".urdf":
        model = read_urdf(file, name, _pose(element, frames, models))
    else:
        inner = _sdf_root(file).need("model")
        placed = inner if element.find("pose") is None else element
        model = _model(inner, name, _pose(placed, frames, models))
    return replace(model, static=element.flag("static", model.static))


def _pose(element: Element, frames, models, attached_attribute="attached_to") -> np.ndarray:
    """World pose of a frame or model of the world."""
    pose, local = element.find("pose"), element.pose()
    reference = "" if pose is None else pose.attribute("relative_to", "")
    reference = reference or element.attribute(attached_attribute, "")
    if reference in ("", "world"):
        return local
    if reference in frames:
        return frames[reference] @ local
    if reference in models:
        return models[reference].pose @ local
    raise element.fail(f"relative to {reference!r}", "a frame or model that comes earlier")


def _model(element: Element, name: str, pose: np.ndarray) -> Model:
    links: dict[str, Link] = {}
    for child in element.children("link"):
        link = _link(child)
        if link.name in links:
            raise child.fail("a second link of this name", "one")
        links[link.name] = link
    if not links:
        raise element.fail("no <link>", "at least one link")
    frames = {
        child.attribute("name"): _local_pose(child, links, child.attribute("attached_to", ""))
        for child in element.children("frame")
    }
    joints = tuple(_joint(child, links) for child in element.children("joint"))
    _check_tree(element, joints)
    return Model(
        name=name,
        pose=pose,
        static=element.flag("static", False),
        links=links,
        joints=joints,
        frames=frames,
    )


def _check_tree(element: Element, joints: tuple[Joint, ...]) -> None:
    parents = {joint.child: joint.parent for joint in joints}
    if len(parents) != len(joints):
        raise element.fail("a link that is the child of two joints", "a tree of joints")
    for link in parents:
        for _ in joints:
            link = parents.get(link, link)
        if link in parents:
            raise element.fail(f"joints in a loop at link {link!r}", "a tree of joints")


def _local_pose(element: Element, links: dict[str, Link], default: str = "") -> np.ndarray:
    """Pose in the model's frame; `relative_to` a link, `__model__` or nothing."""
    pose, local = element.find("pose"), element.pose()
    reference = default if pose is None else pose.attribute("relative_to", default)
    if reference in ("", "__model__"):
        return local
    if reference in links:
        return links[reference].pose @ local
    raise element.fail(f"relative to {reference!r}", f"__model__ or one of {sorted(links)}")


def _link(element: Element) -> Link:
    inertial = element.find("inertial")
    inertia = None
    if inertial is not None:
        moments = [inertial.number(f"inertia/{key}") for key in MOMENTS.split()]
        inertia = checked_inertia(inertial, inertial.number("mass"), inertial.pose(), moments)
    collisions = tuple(_collision(child) for child in element.children("collision"))
    visuals = tuple(_visual(child) for child in element.children("visual"))
    return Link(
        name=element.attribute("name"),
        pose=_local_pose(element, {}),
        inertia=inertia,
        collisions=collisions,
        visuals=visuals,
        cameras=tuple(
            read_camera(sensor)
            for sensor in element.children("sensor")
            if sensor.attribute("type") == "camera"
        ),
        angular_decay_1_s=element.number("velocity_decay/angular", 0.0),
        sheet=read_sheet(element, inertia, collisions, visuals),
    )


def _collision(element: Element) -> Collision:
    friction = element.find("surface/friction")
    if friction is None:
        return Collision(element.pose(), _shape(element))
    return Collision(
        element.pose(),
        _shape(element),
        friction=friction.number("ode/mu", 1.0),
        torsional_friction=friction.number("torsional/coefficient", 0.005),
    )


def _visual(element: Element) -> Visual:
    rgba = tuple(element.numbers(4, "material/diffuse", (0.7, 0.7, 0.7, 1.0)))
    return Visual(element.pose(), _shape(element), rgba)


def _shape(element: Element) -> Shape:
    child = element.need("geometry").only_child()
    if child.tag == "box":
        size = child.numbers(3, "size")
    elif child.tag == "sphere":
        size = child.numbers(1, "radius")
    elif child.tag == "ellipsoid":
        size = child.numbers(3, "radii")
    elif child.tag == "plane":
        size = child.numbers(2, "size", (1, 1))
        if child.numbers(3, "normal", (0, 0, 1)).tolist() != [0, 0, 1]:
            raise child.fail(f"normal {child.text('normal')}", "0 0 1; turn it by its pose")
    else:
        size = child.number("radius"), child.number("length")
    return checked_shape(child, child.tag, size)


def _joint(element: Element, links: dict[str, Link]) -> Joint:
    kind = element.attribute("type")
    if kind not in ("fixed", "revolute", "prismatic"):
        raise element.fail(f"type {kind!r}", "fixed, revolute or prismatic")
    parent, child = element.text("parent"), element.text("child")
    for name, known in ((parent, ["world", *sorted(links)]), (child, sorted(links))):
        if name not in known:
            raise element.fail(f"unknown link {name!r}", f"one of {known}")
    name = element.attribute("name")
    pose = _local_pose(element, links, default=child)
    if kind == "fixed":
        return Joint(name, kind, parent, child, pose, np.eye(3)[2])
    axis = element.need("axis")
    xyz = axis.need("xyz")
    vector = xyz.numbers(3)
    expressed_in = xyz.attribute("expressed_in", "")
    if expressed_in == "__model__":
        vector = pose[:3, :3].T @ vector
    elif expressed_in:
        raise xyz.fail(f"expressed_in {expressed_in!r}", "__model__ or nothing")
    joint = Joint(
        name,
        kind,
        parent,
        child,
        pose,
        vector,
        lower=axis.number("limit/lower"),
        upper=axis.number("limit/upper"),
        velocity=_or_endless(axis.number("limit/velocity")),
        effort=_or_endless(axis.number("limit/effort")),
        damping=axis.number("dynamics/damping", 0.0),
        friction=axis.number("dynamics/friction", 0.0),
        spring_stiffness=axis.number("dynamics/spring_stiffness", 0.0),
        spring_reference=axis.number("dynamics/spring_reference", 0.0),
    )
    return checked_joint(axis, joint)


def _or_endless(limit: float) -> float:
    """SDF's way to say that there is no limit is a negative one."""
    return limit if limit >= 0 else np.inf


def _light(element: Element) -> Light:
    kind = element.attribute("type")
    if kind != "directional":
        raise element.fail(f"type {kind!r}", "directional")
    pose = element.pose()
    return Light(
        name=element.attribute("name"),
        position=pose[:3, 3],
        direction=pose[:3, :3] @ element.numbers(3, "direction", (0, 0, -1)),
        diffuse=_rgb(element, "diffuse", (1, 1, 1)),
        specular=_rgb(element, "specular", (0.1, 0.1, 0.1)),
        shadows=element.flag("cast_shadows", True),
    )


def _rgb(element: Element | None, path: str, default) -> tuple[float, float, float]:
    if element is None:
        return tuple(default)
    return tuple(element.numbers(4, path, (*default, 1.0))[:3])


__all__ = ["WorldFileError", "read_world", "robot_names"]
