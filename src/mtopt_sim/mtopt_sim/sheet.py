"""A cloth: a sheet of points held together by their edges; from its description into a scene."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from mtopt_sim.description import Collision, Inertia, Sheet, Visual
from mtopt_sim.xml_reader import Element

NAMESPACE = "{urn:mtopt:sdf}"
_EDGES_KEEP_LENGTH = 1
"""MuJoCo's kind of flex equality: a constraint an edge."""
_BENDING_ALONE = 1
"""MuJoCo's kind of elasticity of a sheet; its length is kept by the edges."""


def read_sheet(
    link: Element,
    inertia: Inertia | None,
    collisions: Sequence[Collision],
    visuals: Sequence[Visual],
) -> Sheet | None:
    """The sheet that a link's element `mtopt:sheet` makes of it; None where there is none.

    Raises:
        WorldFileError: The link is not one flat box with a mass, or a number is no good.
    """
    element = link.find(f"{NAMESPACE}sheet")
    if element is None:
        return None
    flat = len(collisions) == 1 and collisions[0].shape.kind == "box" and len(visuals) == 1
    if inertia is None or not flat:
        raise element.fail("a link of other parts", "one mass, one box that touches, one visual")
    points = element.numbers(2, f"{NAMESPACE}points")
    if np.any(points < 2) or np.any(points != np.round(points)):
        raise element.fail(f"points {points.tolist()}", "2 or more along each edge")
    stretch_time_s = element.number(f"{NAMESPACE}stretch_time_s")
    names = ("edge_damping", "crease_rad", "bending_stiffness", "bending_damping_s")
    edge_damping, crease_rad, bending, bending_damping = (
        element.number(f"{NAMESPACE}{name}") for name in names
    )
    others = (edge_damping, crease_rad, bending, bending_damping)
    if stretch_time_s <= 0 or min(others) < 0:
        found = f"stretch_time_s {stretch_time_s}, {', '.join(names)} {others}"
        raise element.fail(found, "a stretch_time_s above 0, the others 0 or more")
    length, width, height = collisions[0].shape.size_m
    return Sheet(
        points=(int(points[0]), int(points[1])),
        size_m=(length, width),
        radius_m=height / 2,
        mass_kg=inertia.mass_kg,
        friction=collisions[0].friction,
        rgba=visuals[0].rgba,
        stretch_time_s=stretch_time_s,
        edge_damping=edge_damping,
        crease_rad=crease_rad,
        bending_n_m=bending,
        bending_damping_s=bending_damping,
    )


def add_sheet(
    spec: mujoco.MjSpec, name: str, sheet: Sheet, pose: np.ndarray, bits: tuple[int, int]
) -> None:
    """Adds a sheet to a scene, flat, its middle at a pose.

    Args:
        spec: The scene.
        name: Of the flex.
        sheet: What it is.
        pose: (4, 4) in the scene.
        bits: Contact type and affinity.
    """
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(pose[:3, :3]).ravel())
    body = spec.worldbody.add_body(name=name, pos=pose[:3, 3], quat=quat)
    spacing = _spacing_m(sheet)
    flex = body.make_flex(
        name, "grid", 2, count=[*sheet.points, 1], spacing=[*spacing, 0.01],
        radius=sheet.radius_m, mass=sheet.mass_kg, equality=_EDGES_KEEP_LENGTH,
    )  # fmt: skip
    if sheet.crease_rad:
        _crease(spec, flex, sheet)
    flex.contype, flex.conaffinity = bits
    flex.condim = 3
    flex.friction = [sheet.friction, 0.005, 0.0001]
    flex.priority = 1  # a cloth slips on rubber as it does on wood: by its own friction
    flex.selfcollide = mujoco.mjtFlexSelf.mjFLEXSELF_NONE
    flex.rgba = sheet.rgba
    flex.edgedamping = sheet.edge_damping
    if sheet.bending_n_m:
        flex.elastic2d = _BENDING_ALONE
        flex.thickness = 2 * sheet.radius_m
        flex.young = 12 * sheet.bending_n_m / flex.thickness**3  # of a plate, Poisson's ratio 0
        flex.damping = sheet.bending_damping_s
        # The one integrator that takes a sheet's bending into account implicitly.
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_DISCRETE
    for equality in spec.equalities:
        if equality.type == mujoco.mjtEq.mjEQ_FLEX and equality.name1 == name:
            equality.solref = [sheet.stretch_time_s, 1.0]
    # An equality an edge: the constraints are many and each touches few joints.
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE


def _crease(spec: mujoco.MjSpec, flex: mujoco.MjsFlex, sheet: Sheet) -> None:
    """Lays the flat grid in creases: what it comes back to when it was bent."""
    dx, middle = _spacing_m(sheet)[0], (sheet.points[0] - 1) / 2
    for name in flex.vertbody:
        body = spec.body(name)
        row = round(body.pos[0] / dx + middle)
        x, z = _in_pleats(row, sheet, sheet.crease_rad)
        body.pos = [x, body.pos[1], z]


def _in_pleats(row, sheet: Sheet, slope_rad: float):
    """Coordinates x and z of rows of points, around the middle, in pleats of one spacing."""
    dx = _spacing_m(sheet)[0]
    x = (row - (sheet.points[0] - 1) / 2) * dx * np.cos(slope_rad)
    return x, row % 2 * dx * np.sin(slope_rad)


class SheetPoints:
    """The points of a sheet in a compiled scene.

    Args:
        model: The scene.
        name: As given to `add_sheet`.
        sheet: What it is.
    """

    def __init__(self, model: mujoco.MjModel, name: str, sheet: Sheet):
        self.id = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_FLEX, name)
        self._sheet = sheet
        first, count = model.flex_vertadr[self.id], model.flex_vertnum[self.id]
        self._vertices = slice(first, first + count)
        bodies = model.flex_vertbodyid[self._vertices]
        element = model.flex_elemdataadr[self.id]
        triangles = model.flex_elem[element : element + 3 * model.flex_elemnum[self.id]]
        self.triangles = triangles.reshape(-1, 3)
        """(triangles, 3) numbers of their points."""
        joints = model.body_jntadr[bodies]
        self._qpos = model.jnt_qposadr[joints][:, None] + np.arange(3)
        self._dof = model.jnt_dofadr[joints][:, None] + np.arange(3)
        self._rest = model.body_pos[bodies]
        parent = model.body_parentid[bodies[0]]
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, model.body_quat[parent])
        self._origin, self._rotation = model.body_pos[parent], rotation.reshape(3, 3)

    def positions(self, data: mujoco.MjData) -> np.ndarray:
        """(points, 3) in the scene, as of the last step."""
        return data.flexvert_xpos[self._vertices]

    def speeds(self, data: mujoco.MjData) -> np.ndarray:
        """(points,) m/s."""
        return np.linalg.norm(data.qvel[self._dof], axis=1)

    def place(self, data: mujoco.MjData, positions: np.ndarray) -> None:
        """Puts every point to a position (points, 3) in the scene."""
        local = (positions - self._origin) @ self._rotation
        data.qpos[self._qpos] = local - self._rest
        data.qvel[self._dof] = 0.0

    def pleated(self, fold_rad: float) -> np.ndarray:
        """(points, 3) around the middle: the sheet in pleats of one grid spacing, not stretched.

        Args:
            fold_rad: Slope of the pleats; 0 is flat.
        """
        nx, ny = self._sheet.points
        i, j = np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij")
        x, z = _in_pleats(i, self._sheet, fold_rad)
        y = (j - (ny - 1) / 2) * _spacing_m(self._sheet)[1]
        grid = np.stack([x, y, z], -1).reshape(-1, 3)
        order = np.lexsort((self._rest[:, 1].round(6), self._rest[:, 0].round(6)))
        out = np.empty_like(grid)
        out[order] = grid
        return out


def _spacing_m(sheet: Sheet) -> tuple[float, float]:
    """Between neighbouring points: their spheres reach to the sheet's edge."""
    return tuple(
        (size - 2 * sheet.radius_m) / (count - 1)
        for size, count in zip(sheet.size_m, sheet.points, strict=True)
    )
