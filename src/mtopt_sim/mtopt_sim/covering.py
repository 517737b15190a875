"""How much of an object a cloth hides from above."""

from __future__ import annotations

import mujoco
import numpy as np

_RAYS = 9
"""Along each edge of the rectangle around an object."""


def hidden_share(
    model: mujoco.MjModel, data: mujoco.MjData, body: int, points: np.ndarray, triangles: np.ndarray
) -> float:
    """Share in [0, 1] of an object's outline, seen from above, that a sheet lies over.

    Args:
        model: The scene, z up.
        data: Its state.
        body: The object, with shapes that touch.
        points: (points, 3) of the sheet.
        triangles: (triangles, 3) numbers of points.
    """
    geoms = [g for g in np.flatnonzero(model.geom_bodyid == body) if model.geom_contype[g]]
    reach = model.geom_rbound[geoms][:, None]
    centres = data.geom_xpos[geoms]
    low, high = (centres - reach).min(0), (centres + reach).max(0)
    down, top = np.array([0.0, 0.0, -1.0]), high[2] + 1.0
    tops = []
    for x in np.linspace(low[0], high[0], _RAYS):
        for y in np.linspace(low[1], high[1], _RAYS):
            hits = [
                mujoco.mju_rayGeom(
                    data.geom_xpos[g], data.geom_xmat[g], model.geom_size[g],
                    np.array([x, y, top]), down, model.geom_type[g], None,
                )
                for g in geoms
            ]  # fmt: skip
            hits = [distance for distance in hits if distance >= 0]
            if hits:
                tops.append((x, y, top - min(hits)))
    if not tops:
        return 0.0
    return float(lies_over(np.array(tops), points[triangles]).mean())


def lies_over(places: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(n,) bool: does a triangle lie vertically above each place?

    Args:
        places: (n, 3).
        triangles: (m, 3, 3) corners.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    twice_area = _cross(b - a, c - a)
    flat = np.abs(twice_area) > 1e-9  # upright ones hide nothing
    a, b, c, twice_area = a[flat], b[flat], c[flat], twice_area[flat]
    p = places[:, None]
    u = _cross(c - b, p - b) / twice_area
    v = _cross(a - c, p - c) / twice_area
    w = 1 - u - v
    height = u * a[:, 2] + v * b[:, 2] + w * c[:, 2]
    inside = (u >= -1e-9) & (v >= -1e-9) & (w >= -1e-9)
    return (inside & (height > places[:, 2:])).any(1)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Third component of the cross product of vectors in the plane."""
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
