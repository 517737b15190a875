"""Shapes, masses and joints of SDF and URDF, refused where no physics can be made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtopt_sim.description import Inertia, Joint, Shape
from mtopt_sim.xml_reader import Element


def checked_shape(element: Element, kind: str, size_m: Sequence[float]) -> Shape:
    """A shape.

    Raises:
        WorldFileError: A size is not above 0.
    """
    if not min(size_m) > 0:
        raise element.fail(f"size {list(map(float, size_m))}", "above 0")
    return Shape(kind, tuple(size_m))


def checked_inertia(
    element: Element, mass_kg: float, pose: np.ndarray, moments: Sequence[float]
) -> Inertia:
    """Mass and inertia of a link.

    Args:
        element: For errors.
        mass_kg: Mass.
        pose: (4, 4) centre of mass with axes, in the link.
        moments: ixx, iyy, izz, ixy, ixz, iyz, kg m^2.

    Raises:
        WorldFileError: No body has them.
    """
    ixx, iyy, izz, ixy, ixz, iyz = moments
    matrix = np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
    principal = np.linalg.eigvalsh(matrix)
    if mass_kg <= 0 or principal[0] <= 0:
        raise element.fail("a mass or inertia that is not positive", "above 0")
    if principal[2] > (principal[0] + principal[1]) * (1 + 1e-6):
        raise element.fail(f"principal moments {principal.tolist()}", "none above the others' sum")
    return Inertia(mass_kg, pose, matrix)


def checked_joint(element: Element, joint: Joint) -> Joint:
    """A joint that moves.

    Raises:
        WorldFileError: It has no axis, no range, or pushes where it should brake.
    """
    if not np.linalg.norm(joint.axis) > 1e-9:
        raise element.fail(f"axis {joint.axis.tolist()}", "a direction")
    if not joint.lower < joint.upper:
        raise element.fail(f"limits {joint.lower} to {joint.upper}", "lower below upper")
    for name in ("effort", "velocity", "damping", "friction", "spring_stiffness"):
        if not getattr(joint, name) >= 0:
            raise element.fail(f"{name} {getattr(joint, name)}", "0 or more")
    return joint
