"""The motors of a station: servos of arm, finger and the bin's hinge that follow set points."""

from __future__ import annotations

import math
from pathlib import Path

import mujoco
import numpy as np

from mtopt_sim.hinge_brake import HingeBrake
from mtopt_sim.trajectory import JointTrajectory
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig


class JointServos:
    """Reads the joints of a station and says what its actuators are told at each physics step.

    Args:
        model: The compiled scene.
        data: Its state; it stays the same object.
        robot: Name of the robot in it.
        config: Its joints, home posture and open finger.
        step_s: Of the physics.
        hinge_rate: Of the bin's motor, rad/s.
        world: World file, for errors.

    Attributes:
        names: Arm joints and finger, in the order of a trajectory's columns.
        brake: Of the bin.

    Raises:
        InputError: The world has no such joint, or one that nobody would command.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        robot: str,
        config: RobotConfig,
        step_s: float,
        hinge_rate: float,
        world: Path,
    ):
        self.names = (*config.arm_joints, config.finger_joint)
        joints = [f"{robot}/{name}" for name in self.names]
        hinge = f"{robot}_bin/{config.hinge_joint}"
        for name in (*joints, hinge):
            if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) < 0:
                raise InputError("joint", where=world, got=f"no {name}", expected="the joint")
        driven = {model.actuator(i).name for i in range(model.nu)}
        if driven != {*joints, hinge}:
            raise InputError(
                "motors", where=world, got=sorted(driven ^ {*joints, hinge}),
                expected="one a joint of the robot file, none else; <mimic> copies without one",
            )  # fmt: skip
        self._data, self._step_s, self._hinge_step = data, step_s, hinge_rate * step_s
        self._qpos, self._qvel, self._effort = data.qpos, data.qvel, data.qfrc_actuator
        self._home = np.array([*config.home_position, config.finger_open_m])
        self._state_names = (*self.names, config.hinge_joint)
        self._state_qpos = np.array([model.joint(n).qposadr[0] for n in (*joints, hinge)])
        self._state_dof = np.array([model.joint(n).dofadr[0] for n in (*joints, hinge)])
        self._arm_qpos = self._state_qpos[: len(config.arm_joints)]
        slides = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE)
        fingers = [i for i in slides if model.joint(i).name.startswith(f"{robot}/")]
        self._finger_qpos = model.jnt_qposadr[fingers]
        self._actuators = np.array([model.actuator(n).id for n in joints])
        self._hinge_actuator = model.actuator(hinge).id
        self._hinge_range = tuple(model.joint(hinge).range)
        self._lower, self._upper = np.array([model.joint(n).range for n in joints]).T
        stiffness = model.actuator_gainprm[self._actuators, 0]
        damping = -model.actuator_biasprm[self._actuators, 2]
        # A set point this much ahead makes the servo's damping vanish along the trajectory.
        self._lead = damping / stiffness
        self.brake = HingeBrake(model, hinge)

    def state(self, stamp_s: float) -> JointState:
        """Arm joints, finger and the bin's hinge: measured positions, speeds, efforts."""
        return JointState(
            stamp_s,
            self._state_names,
            self._qpos.take(self._state_qpos),
            self._qvel.take(self._state_dof),
            self._effort.take(self._state_dof),
        )

    @property
    def hinge_angle_rad(self) -> float:
        """How far the bin is tipped."""
        return float(self._qpos[self._state_qpos[-1]])

    def go_home(self) -> None:
        """Puts arm and finger home and the bin level, at once; nothing is followed any more."""
        self._qpos[self._arm_qpos] = self._home[:-1]
        self._qpos[self._finger_qpos] = self._home[-1]
        self._set_point, self._set_speed = self._home.copy(), np.zeros_like(self._home)
        self._path: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._hinge_target = self._hinge_set_point = 0.0
        self.brake.update(self._data, 0.0, 0.0)
        self._data.ctrl[self._actuators] = self._set_point
        self._data.ctrl[self._hinge_actuator] = 0.0

    def follow(
        self,
        positions: np.ndarray,
        velocities: np.ndarray | None,
        times_from_start_s: np.ndarray,
    ) -> None:
        """Follows a trajectory from now on, see `Station.command_trajectory`."""
        trajectory = JointTrajectory(
            self._set_point, self._set_speed, positions, velocities, times_from_start_s
        )
        steps = math.ceil(trajectory.duration_s / self._step_s - 1e-6)
        position, speed = trajectory.sample(self._step_s * np.arange(1, max(steps, 1) + 1))
        position = np.minimum(np.maximum(position, self._lower), self._upper)
        speed[-1] = 0.0  # the last point is held
        self._path = position, speed, position + self._lead * speed
        self._path_step = 0

    def turn_hinge(self, angle_rad: float) -> None:
        """Turns the bin from now on, see `Station.command_hinge`."""
        low, high = self._hinge_range
        if not low <= angle_rad <= high:
            raise InputError(
                "hinge angle", where="command_hinge", got=angle_rad, expected=f"{low} to {high} rad"
            )
        self._hinge_target = float(angle_rad)

    def set_points(self, steps: int) -> np.ndarray:
        """(steps, actuators) of the next steps, which are then over; holds or frees the bin."""
        self.brake.update(self._data, self._hinge_target, self._hinge_set_point)
        out = np.empty((steps, len(self._data.ctrl)))
        if self._path is None or not steps:
            out[:, self._actuators] = self._set_point
        else:
            position, speed, lead = self._path
            left = lead[self._path_step : self._path_step + steps]
            out[: len(left), self._actuators] = left
            if len(left) < steps:
                out[len(left) :, self._actuators] = lead[-1]
            self._path_step += steps
            now = min(self._path_step, len(lead)) - 1
            self._set_point, self._set_speed = position[now], speed[now]
        out[:, self._hinge_actuator] = self._hinge_set_points(steps)
        return out

    def _hinge_set_points(self, steps: int) -> np.ndarray | float:
        way = self._hinge_target - self._hinge_set_point
        if way == 0.0 or not steps:
            return self._hinge_set_point
        walked = np.minimum(self._hinge_step * np.arange(1, steps + 1), abs(way)) * np.sign(way)
        set_points = self._hinge_set_point + walked
        self._hinge_set_point += walked[-1]
        if abs(self._hinge_target - self._hinge_set_point) < 1e-9:
            self._hinge_set_point = self._hinge_target
        return set_points
