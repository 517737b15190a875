"""A world as MuJoCo has it, compiled by our own builder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np

from mtopt_bringup.conformance.mechanism import JointFacts, Placed
from mtopt_sim.scene import build_spec, compile_scene
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.world_file import read_world
from mtopt_spec.resources import share_dir

_KINDS = {
    int(mujoco.mjtJoint.mjJNT_HINGE): "revolute",
    int(mujoco.mjtJoint.mjJNT_SLIDE): "prismatic",
}


class MujocoMechanism:
    """Joints and masses of a whole world, all its stations in one model.

    Args:
        world: Its file.
    """

    def __init__(self, world: Path):
        params = load_sim_params(share_dir() / "params" / "sim.yaml")
        description = read_world(world)
        self._poses = {name: model.pose for name, model in description.models.items()}
        spec = build_spec(description, params, np.eye(4))
        self._model = model = compile_scene(spec, description)
        self._data = mujoco.MjData(model)
        self._joint = {model.joint(i).name: i for i in range(model.njnt) if model.joint(i).name}
        moving = {name: i for name, i in self._joint.items() if int(model.jnt_type[i]) in _KINDS}
        effort = {model.actuator(i).name: model.actuator_forcerange[i, 1] for i in range(model.nu)}
        for i in range(model.neq):  # a coupled joint is driven by the other one's motor
            if model.eq_type[i] == mujoco.mjtEq.mjEQ_JOINT:
                first, second = (model.joint(model.eq_obj1id[i]), model.joint(model.eq_obj2id[i]))
                effort[first.name] = effort[second.name]
        self.joints = {
            name: JointFacts(
                _KINDS[int(model.jnt_type[i])], *map(float, model.jnt_range[i]),
                float(effort.get(name, np.nan)), np.nan,
            )
            for name, i in moving.items()
        }  # fmt: skip

    def model_pose(self, name: str) -> np.ndarray:
        """(4, 4) of a model in the world, by our own reader."""
        return self._poses[name]

    def at(self, positions: Mapping[str, float]) -> dict[str, Placed]:
        """See `Mechanism`."""
        model, data = self._model, self._data
        mujoco.mj_resetData(model, data)
        for name, position in positions.items():
            data.qpos[model.jnt_qposadr[self._joint[name]]] = position
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        placed = {}
        for name, joint in self._joint.items():
            body = model.jnt_bodyid[joint]
            turn = data.xmat[body].reshape(3, 3)
            free = name not in self.joints
            key = model.body(body).name if free else name
            axes = data.ximat[body].reshape(3, 3)
            placed[key] = Placed(
                data.xpos[body] + turn @ model.jnt_pos[joint],
                np.zeros(3) if free else turn @ model.jnt_axis[joint],
                float(model.body_mass[body]),
                data.xipos[body].copy(),
                axes @ np.diag(model.body_inertia[body]) @ axes.T,
            )
        return placed
