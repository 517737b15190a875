"""What a world file says, as plain data: models of links, joints, shapes and cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SHAPES = ("box", "sphere", "ellipsoid", "cylinder", "capsule", "plane")


@dataclass(frozen=True)
class Shape:
    """A primitive.

    Attributes:
        kind: One of `SHAPES`.
        size_m: box: full edges (3); sphere: radius; ellipsoid: radii (3); cylinder and capsule:
            radius and length of the straight part, along z; plane: full edges (2), normal z.
    """

    kind: str
    size_m: tuple[float, ...]


@dataclass(frozen=True)
class Collision:
    """A shape that touches. Friction: sliding coefficient, torsional coefficient (m)."""

    pose: np.ndarray
    shape: Shape
    friction: float = 1.0
    torsional_friction: float = 0.005


@dataclass(frozen=True)
class Visual:
    """A shape that is seen. `rgba` in [0, 1]."""

    pose: np.ndarray
    shape: Shape
    rgba: tuple[float, float, float, float]


@dataclass(frozen=True)
class Inertia:
    """Mass (kg), centre of mass with axes (4x4, in the link) and inertia (3x3, kg m^2)."""

    mass_kg: float
    pose: np.ndarray
    matrix: np.ndarray


@dataclass(frozen=True)
class Camera:
    """A camera sensor that looks along the x axis of `pose` (4x4, in the link), z up."""

    name: str
    pose: np.ndarray
    horizontal_fov_rad: float
    near_m: float
    far_m: float


@dataclass(frozen=True)
class Sheet:
    """What makes a sheet of linked points of a flat link.

    Attributes:
        points: Along x and y.
        size_m: Full edges along x and y.
        radius_m: Half the thickness.
        mass_kg: Of all of it.
        friction: Sliding coefficient.
        rgba: In [0, 1].
        stretch_time_s: Time in which a stretched edge comes back to its length.
        edge_damping: Of an edge's change of length, N s/m.
        crease_rad: Slope of its creases, along y at every row of points, while nothing bends it.
        bending_n_m: Resistance of a strip to being bent, by its width (flexural rigidity).
        bending_damping_s: Of bending, in proportion to its resistance.
    """

    points: tuple[int, int]
    size_m: tuple[float, float]
    radius_m: float
    mass_kg: float
    friction: float
    rgba: tuple[float, float, float, float]
    stretch_time_s: float
    edge_damping: float
    crease_rad: float
    bending_n_m: float
    bending_damping_s: float


@dataclass(frozen=True)
class Link:
    """A rigid body, or a sheet; `pose` (4x4) is in the model's frame with every joint at 0."""

    name: str
    pose: np.ndarray
    inertia: Inertia | None = None
    collisions: tuple[Collision, ...] = ()
    visuals: tuple[Visual, ...] = ()
    cameras: tuple[Camera, ...] = ()
    angular_decay_1_s: float = 0.0
    sheet: Sheet | None = None


@dataclass(frozen=True)
class Joint:
    """A joint between two links of a model (`parent` may be `world`).

    Attributes:
        kind: fixed, revolute or prismatic.
        pose: (4x4) the joint's frame in the model's frame with every joint at 0.
        axis: (3,) in the joint's frame.
        lower, upper: rad or m.
        velocity, effort: rad/s or m/s; N m or N.
        damping: N m s/rad or N s/m.
        friction: That it takes to move it, N m or N.
        spring_stiffness: N m/rad or N/m, of a spring that pulls it to `spring_reference`.
        mimics: Name of the joint that this one copies, or None.
    """

    name: str
    kind: str
    parent: str
    child: str
    pose: np.ndarray
    axis: np.ndarray
    lower: float = -np.inf
    upper: float = np.inf
    velocity: float = np.inf
    effort: float = np.inf
    damping: float = 0.0
    friction: float = 0.0
    spring_stiffness: float = 0.0
    spring_reference: float = 0.0
    mimics: str | None = None


@dataclass(frozen=True)
class Model:
    """A model at a place in the world; `pose` (4x4) is in the world."""

    name: str
    pose: np.ndarray
    static: bool
    links: Mapping[str, Link]
    joints: tuple[Joint, ...] = ()
    frames: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Light:
    """A directional light; direction (3,), position (3,) in the world, colours in [0, 1]."""

    name: str
    position: np.ndarray
    direction: np.ndarray
    diffuse: tuple[float, float, float]
    specular: tuple[float, float, float]
    shadows: bool


@dataclass(frozen=True)
class World:
    """A whole world file."""

    path: Path
    name: str
    step_s: float
    gravity: np.ndarray
    ambient: tuple[float, float, float]
    background: tuple[float, float, float]
    models: Mapping[str, Model]
    lights: tuple[Light, ...]
    frames: Mapping[str, np.ndarray]


def transform(xyz=(0.0, 0.0, 0.0), rpy=(0.0, 0.0, 0.0)) -> np.ndarray:
    """(4, 4) from a position and fixed-axis roll, pitch, yaw, as in URDF and SDF."""
    cr, cp, cy = np.cos(rpy)
    sr, sp, sy = np.sin(rpy)
    out = np.eye(4)
    out[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    out[:3, 3] = xyz
    return out


def inverse(pose: np.ndarray) -> np.ndarray:
    """(4, 4) inverse of a rigid transform."""
    out = np.eye(4)
    out[:3, :3] = pose[:3, :3].T
    out[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return out
