"""Joints and masses of a world in numbers, and where two readings of it differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

PLACE_M = 1e-4
"""Joints and centres of mass may lie this far apart in any posture."""
AXIS_RAD = 1e-4
NUMBER = 1e-4
"""Relative difference of limits, masses, moments of inertia."""


@dataclass(frozen=True)
class JointFacts:
    """What a description says of a joint that moves.

    Attributes:
        kind: `revolute` or `prismatic`.
        lower, upper: rad or m.
        effort: N m or N.
        velocity: rad/s or m/s; NaN where the description has none.
    """

    kind: str
    lower: float
    upper: float
    effort: float
    velocity: float


@dataclass(frozen=True)
class Placed:
    """A rigid body in one posture, in the world's frame.

    Attributes:
        origin_m: (3,) of the joint that moves it, on its own side; of a free body: of its link.
        axis: (3,) of that joint; of a free body: zeros.
        mass_kg: Of all links that are fixed to one another.
        centre_m: (3,) centre of mass.
        inertia: (3, 3) kg m^2 about it.
    """

    origin_m: np.ndarray
    axis: np.ndarray
    mass_kg: float
    centre_m: np.ndarray
    inertia: np.ndarray


class Mechanism(Protocol):
    """One reading of a description. Names are MODEL/JOINT, of a free body MODEL/LINK.

    Attributes:
        joints: Those that move.
    """

    joints: Mapping[str, JointFacts]

    def at(self, positions: Mapping[str, float]) -> Mapping[str, Placed]:
        """Every body that can move, by its joint's name, joints at `positions`, else at zero."""


def random_postures(
    joints: Mapping[str, JointFacts], count: int, seed: int = 0
) -> list[dict[str, float]]:
    """All joints at zero, then at random between their limits."""
    rng = np.random.default_rng(seed)
    drawn = [
        {name: float(rng.uniform(j.lower, j.upper)) for name, j in joints.items()}
        for _ in range(count - 1)
    ]
    return [dict.fromkeys(joints, 0.0), *drawn]


def differences(
    ours: Mechanism, theirs: Mechanism, names: set[str], postures: int = 8
) -> list[str]:
    """Where two readings differ, in words; [] where they are one mechanism.

    Args:
        ours: One reading.
        theirs: The other one.
        names: Bodies to compare.
        postures: How many.
    """
    found = []
    joints = sorted(names & (set(ours.joints) | set(theirs.joints)))
    for name in joints:
        if name not in ours.joints or name not in theirs.joints:
            found.append(f"{name}: only one of the two has this joint")
            continue
        found += _joint_differences(name, ours.joints[name], theirs.joints[name])
    if found:
        return found
    both = {name: theirs.joints[name] for name in joints}
    for posture in random_postures(both, postures):
        mine, other = ours.at(posture), theirs.at(posture)
        for name in sorted(names):
            if name not in mine or name not in other:
                return [f"{name}: only one of the two has this body"]
            found += _body_differences(name, mine[name], other[name])
        if found:
            return found
    return found


def _joint_differences(name: str, mine: JointFacts, other: JointFacts) -> list[str]:
    if mine.kind != other.kind:
        return [f"{name}: {mine.kind} against {other.kind}"]
    found = []
    for what in ("lower", "upper", "effort", "velocity"):
        a, b = getattr(mine, what), getattr(other, what)
        if not (np.isnan(a) or np.isnan(b) or np.isclose(a, b, rtol=NUMBER, atol=1e-9)):
            found.append(f"{name}: {what} {a:.6g} against {b:.6g}")
    return found


def _body_differences(name: str, mine: Placed, other: Placed) -> list[str]:
    found = []
    for what in ("origin_m", "centre_m"):
        apart_m = float(np.linalg.norm(getattr(mine, what) - getattr(other, what)))
        if not apart_m < PLACE_M:
            found.append(f"{name}: {what} {1000 * apart_m:.3f} mm apart")
    if not np.linalg.norm(mine.axis - other.axis) < AXIS_RAD:
        found.append(f"{name}: axis {mine.axis.round(4)} against {other.axis.round(4)}")
    if not np.isclose(mine.mass_kg, other.mass_kg, rtol=NUMBER):
        found.append(f"{name}: {mine.mass_kg:.6g} kg against {other.mass_kg:.6g} kg")
    scale = max(float(np.abs(other.inertia).max()), 1e-12)
    if not np.abs(mine.inertia - other.inertia).max() < NUMBER * scale:
        found.append(f"{name}: inertia {mine.inertia.tolist()} against {other.inertia.tolist()}")
    return found
