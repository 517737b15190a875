"""Coarse meshes of primitives: without a GPU one mesh is drawn in half the time of a primitive."""

from __future__ import annotations

import numpy as np

from mtopt_sim.description import Shape

_AROUND = 10
_CAP_RINGS = 2


def coarse_mesh(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) m and triangles (m, 3) of a shape, facing outwards.

    Raises:
        ValueError: The shape is a plane.
    """
    if shape.kind == "box":
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
        return corners * 0.5 * np.array(shape.size_m), np.array(faces)
    if shape.kind == "plane":
        raise ValueError("plane has no mesh")
    if shape.kind == "cylinder":
        radius, length = shape.size_m
        profile = [(0.0, -length / 2), (radius, -length / 2), (radius, length / 2), (0, length / 2)]
        return _turned(profile)
    if shape.kind == "capsule":
        radius, length = shape.size_m
        angles = np.linspace(0, np.pi / 2, _CAP_RINGS + 1)
        cap = [(radius * np.cos(a), length / 2 + radius * np.sin(a)) for a in angles]
        return _turned([(r, -z) for r, z in reversed(cap)] + cap)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 2 * _CAP_RINGS + 3)
    vertices, faces = _turned([(np.cos(a), np.sin(a)) for a in angles])
    radii = np.broadcast_to(np.array(shape.size_m), 3)
    return vertices * radii, faces


def _turned(profile: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a profile (radius, z) turned about z; it begins and ends on the axis."""
    turns = 2 * np.pi * np.arange(_AROUND) / _AROUND
    rings = [np.stack([r * np.cos(turns), r * np.sin(turns), np.full(_AROUND, z)], 1)
             for r, z in profile[1:-1]]  # fmt: skip
    bottom, top = (0.0, 0.0, profile[0][1]), (0.0, 0.0, profile[-1][1])
    vertices = np.concatenate([[bottom], *rings, [top]])
    faces = []
    last = len(vertices) - 1
    for i in range(_AROUND):
        j = (i + 1) % _AROUND
        faces.append((0, 1 + j, 1 + i))
        for ring in range(len(rings) - 1):
            low, high = 1 + ring * _AROUND, 1 + (ring + 1) * _AROUND
            faces += [(low + i, low + j, high + j), (low + i, high + j, high + i)]
        top_ring = 1 + (len(rings) - 1) * _AROUND
        faces.append((last, top_ring + i, top_ring + j))
    return vertices, np.array(faces)
