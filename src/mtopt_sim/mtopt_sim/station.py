"""One robot's station in MuJoCo: physics, trajectories in, joint states and pictures out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np

from mtopt_sim.cameras import CameraCalibration, Cameras
from mtopt_sim.cloth_scene import Cloths, place_on_plate
from mtopt_sim.description import inverse
from mtopt_sim.dropping import drop_objects
from mtopt_sim.finger_contacts import FingerContacts
from mtopt_sim.joint_servos import JointServos
from mtopt_sim.randomise import Randomiser
from mtopt_sim.scene import build_spec, compile_scene, object_names, relative_pose
from mtopt_sim.scene_draw import OBJECTS_IN_SCENE, draw_objects, scene_generator
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.station_parts import check_parts
from mtopt_sim.truth import SceneTruth, plate_section
from mtopt_sim.world_file import read_world
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder

_PARKED_M = 30.0
_UNSTABLE = {
    mujoco.mjtWarning.mjWARN_BADQPOS: "positions",
    mujoco.mjtWarning.mjWARN_BADQVEL: "speeds",
    mujoco.mjtWarning.mjWARN_BADQACC: "accelerations",
    mujoco.mjtWarning.mjWARN_BADCTRL: "set points",
}
"""MuJoCo's warnings upon which it starts the scene anew in silence, and what was no number."""


class UnstablePhysics(InputError):
    """A station's physics came to numbers that are none: world file and parameters do not fit."""


class Station:
    """One station of the cell.

    An instance belongs to one thread at a time; different instances run side by side.

    Args:
        world: World file; None takes the installed `worlds/bin_cell.sdf`.
        robot: Name of the robot in it.
        image_sizes: Camera name to (height_px, width_px).
        params: Parameter file; None takes the installed `params/sim.yaml`.
        robot_file: Robot file (home posture, finger opening); None takes
            `params/robots/iiwa14/robot.yaml`.

    Attributes:
        stepping_s: Processor time spent in MuJoCo's steps alone.

    Raises:
        WorldFileError: The world, a model or the URDF is broken.
        InputError: A parameter file is broken or a camera is unknown.
    """

    def __init__(
        self,
        world: Path | None = None,
        robot: str = "robot_1",
        *,
        image_sizes: Mapping[str, tuple[int, int]] = DEFAULT_IMAGE_SIZES,
        params: Path | None = None,
        robot_file: Path | None = None,
    ):
        self._params = load_sim_params(params or share_dir() / "params" / "sim.yaml")
        config = load_robot(robot_file or worlds_robot_folder())
        description = read_world(world or share_dir() / "worlds" / "bin_cell.sdf", robot)
        check_parts(description, robot)
        base = description.models[robot].pose
        self.robot, self._world = robot, description.path
        self.stepping_s = 0.0
        self.object_names = object_names(description, robot)
        spec = build_spec(description, self._params, base, robot=robot)
        self.model = compile_scene(spec, description)
        self.data = data = mujoco.MjData(self.model)
        self._cloths = Cloths(self.model, description, robot)
        self._servos = JointServos(
            self.model, data, robot, config, description.step_s, self._params.hinge_rate,
            description.path,
        )  # fmt: skip
        self._contacts = FingerContacts(self.model, robot)
        self._index_objects(description)
        self.pose_base_bin = relative_pose(inverse(base), description.models[f"{robot}_bin"].pose)
        self._find_plate(description)
        self._cameras = Cameras(self.model, image_sizes, robot, self.pose_base_bin)
        self._randomiser = Randomiser(self.model, self._params, self._object_body, robot)
        self._present: tuple[str, ...] = ()
        self._laid: tuple[str, ...] = ()
        self._step_s = description.step_s
        self.reset(0)
        self.data.time = 0.0

    @property
    def drawing_s(self) -> float:
        """Processor time spent in MuJoCo's drawing alone."""
        return self._cameras.drawing_s

    # -- what it is ---------------------------------------------------------------------------

    @property
    def time_s(self) -> float:
        """Simulated time since the station was made."""
        return float(self.data.time)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Arm joints and finger, in the order of a trajectory's columns."""
        return self._servos.names

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return self._cameras.names

    # -- scene --------------------------------------------------------------------------------

    def reset(
        self,
        seed: int,
        *,
        objects: Sequence[str] | None = None,
        object_count: int | None = None,
        randomise: bool = True,
    ) -> None:
        """Puts a new scene into the bin, as a person would; the arm is at home, time goes on.

        Args:
            seed: Of all that is drawn: which objects, poses, light, camera, friction, colours.
            objects: Names of the objects; None draws `object_count` of all.
            object_count: How many are drawn; None: `OBJECTS_IN_SCENE`, or all that there are.
            randomise: False keeps the world file's light, camera, friction and colours.

        Raises:
            InputError: An object is unknown or there are not so many.
            UnstablePhysics: The dropped objects' state is lost.
        """
        rng = scene_generator(seed)
        names = self._choose(rng, objects, object_count)
        time_s = self.data.time
        # Before mj_resetData: what stands still is placed there, once, with the model as it is.
        self._randomiser.apply(rng if randomise else None)
        self._cloths.randomise(rng if randomise else None, self._params)
        self._servos.brake.match_friction()
        mujoco.mj_resetData(self.model, self.data)
        data = self.data
        self._servos.go_home()
        self._present, self._laid = names, ()
        for index, address in enumerate(self._object_qpos.values()):
            data.qpos[address : address + 7] = [_PARKED_M + index, 0, 0, 1, 0, 0, 0]
        self._cloths.park(data)
        stiff = [self._object_qpos[name] for name in self._stiff_objects()]
        cloths = tuple(name for name in names if name in self._cloths.names)
        if cloths and stiff:  # one object lies on the plate, to be covered
            address = stiff.pop(0)
            self._laid = self._stiff_objects()[:1]
            data.qpos[address : address + 7] = place_on_plate(rng, self._plate, self.pose_base_bin)
        drop_objects(self.model, data, rng, stiff, self.pose_base_bin, self._params)
        if cloths:
            taken = self._positions_bin()[:, :2]
            self._cloths.drop(data, rng, cloths, taken, self.pose_base_bin, self._params)
        data.time = time_s
        self._check_stable()

    def _choose(self, rng, objects, object_count: int | None) -> tuple[str, ...]:
        if objects is None and object_count is None:
            return draw_objects(rng, self.object_names, OBJECTS_IN_SCENE)
        if objects is None:
            if not 0 <= object_count <= len(self.object_names):
                raise InputError(
                    "object_count",
                    where="reset",
                    got=object_count,
                    expected=f"0 to {len(self.object_names)}",
                )
            return draw_objects(rng, self.object_names, object_count)
        for name in objects:
            if name not in self.object_names:
                raise InputError(
                    "object", where="reset", got=name, expected=f"one of {self.object_names}"
                )
        return tuple(objects)

    # -- joints -------------------------------------------------------------------------------

    def joint_state(self, stamp_s: float | None = None) -> JointState:
        """Arm joints, finger and `bin_hinge_joint`: measured positions, speeds, efforts.

        Args:
            stamp_s: The cell's time of the reading; None takes the station's own.
        """
        return self._servos.state(self.time_s if stamp_s is None else stamp_s)

    def command_trajectory(
        self,
        positions: np.ndarray,
        velocities: np.ndarray | None,
        times_from_start_s: np.ndarray,
    ) -> None:
        """Follows a trajectory from now on, in place of the active one.

        Args:
            positions: (points, 8) arm joints (rad) and finger (m), in the order of `joint_names`.
            velocities: (points, 8) or None for straight lines.
            times_from_start_s: (points,) increasing.

        Raises:
            InputError: A shape, a number or a time is wrong; the active one goes on.
        """
        self._servos.follow(positions, velocities, times_from_start_s)

    def command_hinge(self, angle_rad: float) -> None:
        """Turns the bin to an angle at the hinge motor's rate.

        Raises:
            InputError: The angle is not finite or beyond the hinge's range.
        """
        self._servos.turn_hinge(angle_rad)
        if angle_rad:
            self._laid = ()

    def advance(
        self, duration_s: float, readings: int = 1, stamps_s: Sequence[float] | None = None
    ) -> list[JointState]:
        """Runs the physics.

        Args:
            duration_s: Simulated time.
            readings: Joint readings on the way, evenly spread, the last one at the end.
            stamps_s: The cell's time of each reading; None takes the station's own.

        Returns:
            The readings.

        Raises:
            InputError: Duration or readings are no whole number of physics steps.
            UnstablePhysics: The state is lost; `reset` makes a new one.
        """
        steps = round(duration_s / self._step_s)
        if abs(steps * self._step_s - duration_s) > 1e-9 or steps < 0 or steps % readings:
            raise InputError(
                "duration_s",
                where="advance",
                got=f"{duration_s} in {readings} readings",
                expected=f"a multiple of {self._step_s} s between readings",
            )
        model, data, set_points = self.model, self.data, self._servos.set_points(steps)
        control, mj_step = data.ctrl, mujoco.mj_step
        states = []
        every = max(1, steps // readings)
        for reading, first in enumerate(range(0, steps, every)):
            began_s = time.thread_time()
            for row in set_points[first : first + every]:
                control[:] = row
                mj_step(model, data)
            self.stepping_s += time.thread_time() - began_s
            states.append(self.joint_state(stamps_s[reading] if stamps_s else None))
        self._check_stable()
        return states

    def _check_stable(self) -> None:
        """MuJoCo notes what it repaired in silence; `mj_resetData` forgets it."""
        found = [what for kind, what in _UNSTABLE.items() if self.data.warning[kind].number]
        if found:
            raise UnstablePhysics(
                "physics", where=f"{self._world}, {self.robot}",
                got=f"{' and '.join(found)} that are no finite numbers", expected="a stable scene",
                todo="take a smaller max_step_size, other masses or gains",
            )  # fmt: skip

    # -- cameras ------------------------------------------------------------------------------

    def render(self, camera: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB of what a camera sees now."""
        return self._cameras.render(self.data, camera)

    def camera_info(self, camera: str) -> CameraCalibration:
        """A camera's nominal calibration."""
        return self._cameras.calibration(camera)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of what the last reset put into the bin."""
        return self._present

    # -- truth --------------------------------------------------------------------------------

    def truth(self) -> SceneTruth:
        """Where everything is."""
        data = self.data
        names = self._stiff_objects()
        bodies = [self._object_body[name] for name in names]
        positions = self._positions_bin()
        left, right, fixed = self._contacts.touched(data)
        speeds = [
            math.hypot(*data.qvel[self._object_dof[name] : self._object_dof[name] + 3].tolist())
            for name in names
        ]
        truth = SceneTruth(
            names=names,
            position_bin_m=positions,
            quat_bin_wxyz=data.xquat[bodies].copy() if names else np.zeros((0, 4)),
            held=np.array([b in left and b in right and b not in fixed for b in bodies], bool),
            touched=np.array([b in left or b in right for b in bodies], bool),
            at_rest=np.array([speed < 0.05 for speed in speeds], bool),
            section=tuple(plate_section(p, self._plate[1]) for p in positions - self._plate[0]),
            hinge_angle_rad=self._servos.hinge_angle_rad,
        )
        if not self._cloths.names:
            return truth
        cloths = tuple(name for name in self._present if name in self._cloths.names)
        truth = self._cloths.add_truth(
            truth, data, cloths, self._object_body, self.pose_base_bin, self._plate
        )
        return replace(truth, laid=self._laid)

    def _stiff_objects(self) -> tuple[str, ...]:
        """Names of the objects in the scene that are no cloths."""
        return tuple(name for name in self._present if name in self._object_body)

    def _positions_bin(self) -> np.ndarray:
        """(n, 3) of `_stiff_objects`, in the bin's frame."""
        bodies = [self._object_body[name] for name in self._stiff_objects()]
        positions = self.data.xpos[bodies].reshape(-1, 3)
        return (positions - self.pose_base_bin[:3, 3]) @ self.pose_base_bin[:3, :3]

    # -- set-up -------------------------------------------------------------------------------

    def _index_objects(self, description) -> None:
        model, robot = self.model, self.robot
        stiff = [name for name in self.object_names if name not in self._cloths.names]
        self._object_body = {name: model.joint(f"{robot}_{name}/free").bodyid[0] for name in stiff}
        self._object_qpos = {n: model.joint(f"{robot}_{n}/free").qposadr[0] for n in stiff}
        self._object_dof = {n: model.joint(f"{robot}_{n}/free").dofadr[0] for n in stiff}
        for name, body in self._object_body.items():
            decay = next(
                iter(description.models[f"{robot}_{name}"].links.values())
            ).angular_decay_1_s
            address = self._object_dof[name]
            model.dof_damping[address + 3 : address + 6] = decay * model.body_inertia[body]

    def _find_plate(self, description) -> None:
        bin_model = description.models[f"{self.robot}_bin"]
        try:
            frame = bin_model.frames["plate"]
            tray = bin_model.links["tray"]
            plate = next(c for c in tray.collisions if np.allclose(c.pose[:2, 3], frame[:2, 3]))
        except (KeyError, StopIteration):
            raise InputError(
                "bin", where=description.path, got="no plate", expected="a frame and shape `plate`"
            ) from None
        self._plate = frame[:3, 3], (plate.shape.size_m[0], plate.shape.size_m[1])
