"""A station whose state is another simulator's: MuJoCo's geometry, nobody's physics.

So one set of rules judges both simulators. What touches what is asked of MuJoCo's shapes at the
places where the other simulator has them; nothing is stepped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from mtopt_sim.description import inverse
from mtopt_sim.dropping import drop_poses
from mtopt_sim.scene_draw import OBJECTS_IN_SCENE, draw_objects, scene_generator
from mtopt_sim.station import Station
from mtopt_sim.world_file import read_world, robot_names
from mtopt_spec.errors import InputError

FAR_M = 1.5
"""From the bin's frame: what is farther away is not in the scene."""
_PARKED_M = np.array([15.0, 15.0, 0.1])


@dataclass(frozen=True)
class Placed:
    """A rigid object in the world's frame.

    Attributes:
        position_m: (3,) of its model's frame.
        quat_wxyz: (4,).
        velocity_m_s: (3,).
    """

    position_m: np.ndarray
    quat_wxyz: np.ndarray
    velocity_m_s: np.ndarray


class MirroredStation(Station):
    """Shows another simulator's state; `truth` judges it.

    Args:
        world: World file that both simulators run.
        robot: Name of the robot in it.
        grip_margin_m: A pad this near to an object touches it: simulators let shapes sink into
            each other by different amounts.
        options: Of `Station`.
    """

    def __init__(self, world: Path, robot: str, *, grip_margin_m: float, **options):
        super().__init__(world, robot, **options)
        model = self.model
        for i in range(model.ngeom):
            if "_pad/touch" in model.geom(i).name:
                model.geom_margin[i] = grip_margin_m
        model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)
        self._base = read_world(world, robot).models[robot].pose
        self._row = robot_names(world).index(robot)
        machine = (robot, f"{robot}_bin")
        self._told = {
            joint.split("/")[-1]: model.jnt_qposadr[i]
            for i in range(model.njnt)
            if (joint := model.joint(i).name).split("/")[0] in machine
        }

    def mirror(self, joints: Mapping[str, float], objects: Mapping[str, Placed]) -> None:
        """Takes over a state; joints of objects stay as the world file has them, cloths are away.

        Args:
            joints: Arm joints, fingers and hinge by name, rad or m.
            objects: Every object of the world by name.

        Raises:
            InputError: A joint or an object is missing.
        """
        model, data = self.model, self.data
        data.qvel[:] = 0.0
        for name, address in self._told.items():
            data.qpos[address] = _of(joints, name, "joint")
        self._cloths.park(data)
        self._present = ()
        for index, (name, address) in enumerate(self._object_qpos.items()):
            placed = _of(objects, name, "object")
            position = self._to_base(placed.position_m)
            if np.linalg.norm(position - self.pose_base_bin[:3, 3]) > FAR_M:
                position = np.array([30.0 + index, 0.0, 0.0])
            else:
                self._present += (name,)
            data.qpos[address : address + 3] = position
            mujoco.mju_mulQuat(
                data.qpos[address + 3 : address + 7], _turn(self._base.T), placed.quat_wxyz
            )
            dof = self._object_dof[name]
            data.qvel[dof : dof + 3] = self._base[:3, :3].T @ placed.velocity_m_s
        # A level bin's shapes are those at rest, as when objects came to rest on them.
        self._servos.brake.update(data, 0.0, 0.0)
        mujoco.mj_forward(model, data)

    def scene_poses(self, seed: int, objects: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Where a new scene's objects are let go, and the others lie out of the way.

        Args:
            seed: Of all that is drawn.
            objects: Names; none draws them.

        Returns:
            Every object's (7,) position (m) and quaternion (wxyz) in the world.

        Raises:
            InputError: An object is unknown.
        """
        rng = scene_generator(seed)
        for name in objects:
            _of(self._object_qpos, name, "object")
        chosen = tuple(objects) or draw_objects(rng, tuple(self._object_qpos), OBJECTS_IN_SCENE)
        dropped = drop_poses(rng, len(chosen), self.pose_base_bin, self._params)
        poses = {}
        for pose, name in zip(dropped, chosen):
            out = np.empty(7)
            out[:3] = self._base[:3, :3] @ pose[:3] + self._base[:3, 3]
            mujoco.mju_mulQuat(out[3:], _turn(self._base), pose[3:])
            poses[name] = out
        for index, name in enumerate(n for n in self._object_qpos if n not in chosen):
            beside = np.array([0.4 * index, 0.4 * self._row, 0.0])
            poses[name] = np.array([*(_PARKED_M + beside), 1.0, 0.0, 0.0, 0.0])
        return poses

    @property
    def bin_position_m(self) -> np.ndarray:
        """(3,) of the bin's frame in the world."""
        return (self._base @ self.pose_base_bin)[:3, 3]

    def _to_base(self, position_m: np.ndarray) -> np.ndarray:
        return (inverse(self._base) @ [*position_m, 1.0])[:3]


def _turn(pose: np.ndarray) -> np.ndarray:
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(pose[:3, :3]).ravel())
    return quat


def _of(values: Mapping, name: str, what: str):
    if name not in values:
        raise InputError(what, where="mirrored state", got=f"no {name}", expected=sorted(values))
    return values[name]
