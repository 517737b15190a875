"""The elements and attributes that the readers of SDF and URDF know; any other one is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mtopt_sim.sheet import NAMESPACE
from mtopt_sim.xml_reader import Element


@dataclass(frozen=True)
class Known:
    """What an element may have.

    Attributes:
        attributes: Their names.
        children: Name to what that one may have; None: it is Gazebo's, and nobody looks into it.
    """

    attributes: tuple[str, ...] = ()
    children: Mapping[str, Known] | None = None


def check_known(element: Element, known: Known) -> None:
    """Refuses what a reader would pass over in silence.

    Raises:
        WorldFileError: An element or attribute is unknown, or there are two where one is read.
    """
    if known.children is None:
        return
    for name in element.attributes:
        if name not in known.attributes:
            raise element.fail(f"attribute {name!r}", f"one of {sorted(known.attributes)}")
    seen = set()
    for child in element.all_children():
        if child.tag not in known.children:
            expected = f"one of {sorted(known.children)}, which this reader knows"
            raise child.fail(f"<{child.tag}>", expected)
        if child.tag in seen and child.tag not in _MANY:
            raise child.fail(f"a second <{child.tag}>", "one")
        seen.add(child.tag)
        check_known(child, known.children[child.tag])


def _knows(attributes: str = "", texts: str = "", **children: Known) -> Known:
    """`texts`: names of children that hold a text alone."""
    plain = dict.fromkeys(texts.split(), Known((), {}))
    return Known(tuple(attributes.split()), {**plain, **children})


_MANY = (
    "collision", "frame", "gazebo", "include", "joint", "light", "link", "material", "model",
    "physics", "plugin", "sensor", "visual",
)  # fmt: skip
_GAZEBOS = Known()
_POSE, _PLACED = _knows("degrees"), _knows("degrees relative_to")
MOMENTS = "ixx iyy izz ixy ixz iyz"
"""Of an inertia, in their order."""
_SHEET = "points stretch_time_s edge_damping crease_rad bending_stiffness bending_damping_s"

_SENSOR = _knows(
    "name type", "update_rate",
    pose=_POSE,
    camera=_knows(
        "", "horizontal_fov", image=_knows("", "width height format"), clip=_knows("", "near far")
    ),
)  # fmt: skip
_SHAPED = {
    "pose": _POSE,
    "geometry": _knows(
        box=_knows("", "size"),
        sphere=_knows("", "radius"),
        ellipsoid=_knows("", "radii"),
        cylinder=_knows("", "radius length"),
        capsule=_knows("", "radius length"),
        plane=_knows("", "normal size"),
    ),
}
_FRICTION = _knows(ode=_knows("", "mu mu2"), torsional=_knows("", "coefficient"))
_LINK = _knows(
    "name",
    pose=_PLACED,
    inertial=_knows("", "mass", pose=_POSE, inertia=_knows("", MOMENTS)),
    velocity_decay=_knows("", "linear angular"),
    collision=_knows("name", **_SHAPED, surface=_knows(friction=_FRICTION)),
    visual=_knows("name", **_SHAPED, material=_knows("", "ambient diffuse specular")),
    sensor=_SENSOR,
    **{f"{NAMESPACE}sheet": _knows("", " ".join(NAMESPACE + name for name in _SHEET.split()))},
)
_JOINT = _knows(
    "name type", "parent child",
    pose=_PLACED,
    axis=_knows(
        xyz=_knows("expressed_in"),
        limit=_knows("", "lower upper effort velocity"),
        dynamics=_knows("", "damping friction spring_reference spring_stiffness"),
    ),
)  # fmt: skip
_FRAME = _knows("name attached_to", pose=_PLACED)
_MODEL = _knows(
    "name", "static", pose=_PLACED, link=_LINK, joint=_JOINT, frame=_FRAME, plugin=_GAZEBOS
)
_WORLD = _knows(
    "name", "gravity",
    physics=_knows(
        "name type default", "max_step_size real_time_factor",
        dart=_GAZEBOS, ode=_GAZEBOS, bullet=_GAZEBOS, simbody=_GAZEBOS,
    ),
    plugin=_GAZEBOS,
    scene=_knows("", "ambient background shadows"),
    light=_knows("name type", "cast_shadows diffuse specular direction", pose=_POSE),
    include=_knows("", "uri name static", pose=_PLACED),
    model=_MODEL,
    frame=_FRAME,
)  # fmt: skip
SDF = _knows("version", world=_WORLD, model=_MODEL)

_MATERIAL = _knows("name", color=_knows("rgba"))
_BODY = {
    "origin": _knows("xyz rpy"),
    "geometry": _knows(
        box=_knows("size"),
        sphere=_knows("radius"),
        cylinder=_knows("radius length"),
        capsule=_knows("radius length"),
    ),
}
URDF = _knows(
    "name version",
    material=_MATERIAL,
    link=_knows(
        "name",
        inertial=_knows(origin=_knows("xyz rpy"), mass=_knows("value"), inertia=_knows(MOMENTS)),
        visual=_knows("name", **_BODY, material=_MATERIAL),
        collision=_knows("name", **_BODY),
    ),
    joint=_knows(
        "name type",
        origin=_knows("xyz rpy"),
        parent=_knows("link"),
        child=_knows("link"),
        axis=_knows("xyz"),
        limit=_knows("lower upper effort velocity"),
        dynamics=_knows("damping friction"),
        mimic=_knows("joint multiplier offset"),
    ),
    gazebo=_knows("reference", "mu1 mu2 gravity", sensor=_SENSOR, plugin=_GAZEBOS),
)
