"""The cloths of a station: put into its bin, coloured anew, judged."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from mtopt_sim.covering import hidden_share
from mtopt_sim.description import World
from mtopt_sim.sheet import SheetPoints
from mtopt_sim.sim_params import SimParams
from mtopt_sim.truth import SceneTruth, plate_section

_PARKED_M = 60.0
_FOLD_RAD = (0.5, 1.1)
_CLEAR_M = 0.14
_TRIES = 200
_ON_PLATE_M = 0.35
"""Share of the plate's edges within which the object to be covered is put."""


class Cloths:
    """The sheets of one station; none where its world has none.

    Args:
        model: The compiled scene.
        world: Its description.
        robot: Name of the robot.
    """

    def __init__(self, model: mujoco.MjModel, world: World, robot: str):
        self._model = model
        self._points: dict[str, SheetPoints] = {}
        for full, described in world.models.items():
            for link in described.links.values():
                if link.sheet is not None and full.startswith(f"{robot}_"):
                    name = full.removeprefix(f"{robot}_")
                    self._points[name] = SheetPoints(model, f"{full}/{link.name}", link.sheet)
        self._rgba, self._friction = model.flex_rgba.copy(), model.flex_friction.copy()
        fingers = ("gripper_left_finger", "gripper_right_finger")
        self._fingers = [model.body(f"{robot}/{finger}").id for finger in fingers]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cloths."""
        return tuple(self._points)

    def randomise(self, rng: np.random.Generator | None, params: SimParams) -> None:
        """Draws colour and friction anew; None puts the world file's values back."""
        model = self._model
        model.flex_rgba[:], model.flex_friction[:] = self._rgba, self._friction
        if rng is None or not self._points:
            return
        shift = rng.uniform(-1, 1, (model.nflex, 3)) * params.randomise_colour
        model.flex_rgba[:, :3] = np.clip(self._rgba[:, :3] + shift, 0, 1)
        factor = 1 + rng.uniform(-1, 1, model.nflex) * params.randomise_friction
        model.flex_friction[:, 0] = self._friction[:, 0] * factor

    def park(self, data: mujoco.MjData) -> None:
        """Lays all of them far away."""
        for number, points in enumerate(self._points.values()):
            points.place(data, points.pleated(0.0) + [_PARKED_M + number, 0, 0])

    def drop(
        self,
        data: mujoco.MjData,
        rng: np.random.Generator,
        names: tuple[str, ...],
        taken: np.ndarray,
        pose_bin: np.ndarray,
        params: SimParams,
    ) -> None:
        """Drops some, pleated, into the picking area beside what lies there, and lets them rest.

        Args:
            data: The state.
            rng: Draws places, turns and pleats.
            names: Which.
            taken: (n, 2) places in the bin's frame to keep away from.
            pose_bin: (4, 4) of the bin's frame.
            params: Radius, height and longest time of dropping.
        """
        for name in names:
            places = rng.uniform(-params.drop_radius_m, params.drop_radius_m, (_TRIES, 2))
            away = np.linalg.norm(places[:, None] - taken[None], axis=2).min(1, initial=np.inf)
            place = places[
                np.argmax(away >= _CLEAR_M) if (away >= _CLEAR_M).any() else away.argmax()
            ]
            taken = np.vstack([taken, place])
            yaw, fold = rng.uniform(-np.pi, np.pi), rng.uniform(*_FOLD_RAD)
            turn = np.array(
                [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
            )
            points = self._points[name]
            local = points.pleated(fold) @ turn.T + [*place, params.drop_height_m]
            points.place(data, local @ pose_bin[:3, :3].T + pose_bin[:3, 3])
        for step in range(int(params.settle_s / self._model.opt.timestep) if names else 0):
            mujoco.mj_step(self._model, data)
            if step % 25 == 24 and all(self._points[n].speeds(data).max() < 0.01 for n in names):
                break

    def add_truth(
        self,
        truth: SceneTruth,
        data: mujoco.MjData,
        names: tuple[str, ...],
        bodies: Mapping[str, int],
        pose_bin: np.ndarray,
        plate: tuple[np.ndarray, tuple[float, float]],
    ) -> SceneTruth:
        """The truth with these cloths in it, and what they cover.

        A cloth's position is its points' middle; it is held where both fingers touch it, though
        its hem may lie in the bin.

        Args:
            truth: Of the other objects.
            data: The state.
            names: Which cloths are in the scene.
            bodies: Of the other objects.
            pose_bin: (4, 4) of the bin's frame.
            plate: Its centre in the bin's frame, and its full edges along x and y.
        """
        places, held, touched, rest = [], [], [], []
        covered = np.zeros(len(truth.names))
        for name in names:
            points = self._points[name]
            positions = points.positions(data)
            places.append((positions.mean(0) - pose_bin[:3, 3]) @ pose_bin[:3, :3])
            fingers = self._touching(data, points.id)
            held.append(fingers == set(self._fingers))
            touched.append(bool(fingers))
            rest.append(np.mean(points.speeds(data)) < 0.05)
            for number, other in enumerate(truth.names):
                share = hidden_share(self._model, data, bodies[other], positions, points.triangles)
                covered[number] = max(covered[number], share)
        none = np.zeros(len(names))
        return SceneTruth(
            names=truth.names + names,
            position_bin_m=np.vstack([truth.position_bin_m, *places]),
            quat_bin_wxyz=np.vstack(
                [truth.quat_bin_wxyz, np.tile([1.0, 0, 0, 0], (len(names), 1))]
            ),
            held=np.append(truth.held, held).astype(bool),
            touched=np.append(truth.touched, touched).astype(bool),
            at_rest=np.append(truth.at_rest, rest).astype(bool),
            section=truth.section + tuple(plate_section(p - plate[0], plate[1]) for p in places),
            hinge_angle_rad=truth.hinge_angle_rad,
            covered=np.append(covered, none),
        )

    def _touching(self, data: mujoco.MjData, flex: int) -> set[int]:
        """Which of the fingers touch a sheet."""
        contact = data.contact
        touched = set()
        for side in (0, 1):
            mine = contact.flex[:, side] == flex
            others = contact.geom[mine, 1 - side]
            touched |= set(self._model.geom_bodyid[others[others >= 0]].tolist())
        return touched & set(self._fingers)


def place_on_plate(
    rng: np.random.Generator, plate: tuple[np.ndarray, tuple[float, float]], pose_bin: np.ndarray
) -> np.ndarray:
    """(7,) pose in the scene, a hand's breadth above the middle part of the plate; any turn."""
    centre, size = plate
    x, y = rng.uniform(-_ON_PLATE_M, _ON_PLATE_M, 2) * size
    yaw = rng.uniform(-np.pi, np.pi)
    position = pose_bin[:3, :3] @ (centre + [x, y, 0.04]) + pose_bin[:3, 3]
    return np.array([*position, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
