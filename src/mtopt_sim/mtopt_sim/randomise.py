"""Randomises what a robot cannot count on: light, camera mount, friction, colours."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from mtopt_sim.sim_params import SimParams


class Randomiser:
    """Draws a scene's looks and friction anew; remembers the world file's own.

    The tray keeps its friction: of its shapes only the twins at rest are drawn, and the brake gives
    those the moving ones' again (`HingeBrake.match_friction`).

    Args:
        model: The compiled scene; it is changed in place.
        params: Spreads.
        objects: Object name to body.
        robot: Name of the robot.
    """

    def __init__(
        self, model: mujoco.MjModel, params: SimParams, objects: Mapping[str, int], robot: str
    ):
        self._model, self._params = model, params
        self._camera = model.camera(f"{robot}_shoulder_camera/shoulder").id
        self._rgba = model.geom_rgba.copy()
        self._friction = model.geom_friction.copy()
        self._light = (
            model.light_dir.copy(),
            model.light_diffuse.copy(),
            np.array(model.vis.headlight.ambient),
        )
        self._camera_pose = (
            model.cam_pos[self._camera].copy(),
            model.cam_quat[self._camera].copy(),
        )
        touching = np.flatnonzero(model.geom_contype)
        self._touching = touching
        tray = model.body(f"{robot}_bin/tray").id
        self._coloured = [
            np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype == 0))
            for body in (*objects.values(), tray)
        ]

    def apply(self, rng: np.random.Generator | None) -> None:
        """Draws everything; None puts the world file's values back."""
        model, params = self._model, self._params
        direction, diffuse, ambient = self._light
        position, quat = self._camera_pose
        model.geom_rgba[:] = self._rgba
        model.geom_friction[:] = self._friction
        model.light_dir[:], model.light_diffuse[:] = direction, diffuse
        model.vis.headlight.ambient[:] = ambient
        model.cam_pos[self._camera], model.cam_quat[self._camera] = position, quat
        if rng is None:
            return
        factor = 1 + rng.uniform(-1, 1) * params.randomise_light
        model.light_diffuse[:] = np.clip(diffuse * factor, 0, 1)
        model.vis.headlight.ambient[:] = ambient * (
            1 + rng.uniform(-0.5, 0.5) * params.randomise_light
        )
        model.light_dir[:] = _normalised(direction + rng.uniform(-1, 1, 3) * params.randomise_light)
        model.cam_pos[self._camera] = position + rng.uniform(-1, 1, 3) * params.randomise_camera_m
        turn, turned = np.empty(4), np.empty(4)
        spread = rng.uniform(-1, 1, 3) * params.randomise_camera_rad
        mujoco.mju_axisAngle2Quat(turn, _normalised(spread), float(np.linalg.norm(spread)))
        mujoco.mju_mulQuat(turned, quat, turn)
        model.cam_quat[self._camera] = turned
        for geoms in self._coloured:
            shift = rng.uniform(-1, 1, 3) * params.randomise_colour
            model.geom_rgba[geoms, :3] = np.clip(self._rgba[geoms, :3] + shift, 0, 1)
        scale = 1 + rng.uniform(-1, 1, len(self._touching)) * params.randomise_friction
        model.geom_friction[self._touching, 0] = self._friction[self._touching, 0] * scale


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
