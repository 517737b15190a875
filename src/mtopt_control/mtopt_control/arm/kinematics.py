"""Forward and inverse kinematics of a serial arm, from its URDF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pinocchio as pin
from scipy.linalg.lapack import dposv

from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig

_UNIT = np.eye(6)


def read_urdf(path: str | Path) -> str:
    """URDF text of a .urdf file or of a xacro file.

    Raises:
        InputError: It is missing, or xacro cannot read it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("robot description", where=path, got="no file", expected="URDF or xacro")
    if path.suffix != ".xacro":
        return path.read_text()
    import xacro

    try:
        return xacro.process_file(str(path)).toxml()
    except Exception as error:  # xacro raises whatever an expression in the file raises
        raise InputError(
            "robot description", where=path, got=f"{error}", expected="xacro"
        ) from error


class ArmKinematics:
    """The tool's pose in the bin's frame for joint positions, and back.

    A pose is x, y, z (m) and azimuth (rad): the angle of the tool's x axis about the bin's z axis.
    Inverse kinematics also keeps the tool's z axis pointing down.

    Args:
        urdf: URDF text.
        arm_joints: Names of the arm's joints, base first.
        base_link: Frame that `bin_position_base_m` is given in.
        tool_link: Link that carries the tool frame (between the finger tips, z out of the gripper).
        bin_position_base_m: Origin of the bin's frame.
        bin_yaw_base_rad: Its turn about the base's z axis.
        tool_offset: x, y, z (m), roll, pitch, yaw (rad) of the tool frame in `tool_link`.

    Raises:
        InputError: The URDF cannot be read, or lacks one of the names.
    """

    def __init__(
        self,
        urdf: str,
        arm_joints: Sequence[str],
        base_link: str,
        tool_link: str,
        bin_position_base_m: Sequence[float],
        bin_yaw_base_rad: float = 0.0,
        tool_offset: Sequence[float] = (0.0,) * 6,
    ):
        try:
            model = pin.buildModelFromXML(urdf)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                "robot description", where="URDF", got=f"{error}", expected="a valid URDF"
            ) from error
        missing = [name for name in arm_joints if not model.existJointName(name)]
        missing += [name for name in (base_link, tool_link) if not model.existFrame(name)]
        if missing:
            raise InputError(
                "joints or links",
                where=f"URDF {model.name}",
                got=f"none named {missing}",
                expected=f"joints {list(arm_joints)}, links {[base_link, tool_link]}",
                todo="correct arm_joints, base_link or tool_link in the robot's file",
            )
        self.urdf_joint_names = tuple(model.names[1:])
        wanted = set(arm_joints)
        locked = [model.getJointId(n) for n in self.urdf_joint_names if n not in wanted]
        model = pin.buildReducedModel(model, locked, pin.neutral(model))
        turns = [name for name in arm_joints if model.joints[model.getJointId(name)].nq != 1]
        if turns:
            raise InputError(
                "arm_joints", where=f"URDF {model.name}", got=f"{turns} of type continuous",
                expected="revolute or prismatic joints with limits",
                todo="make them revolute in the robot's URDF, with the limits of their cables",
            )  # fmt: skip
        order = [model.joints[model.getJointId(name)].idx_q for name in arm_joints]
        if model.nq != len(arm_joints) or order != list(range(model.nq)):
            raise InputError(
                "arm_joints",
                where=f"URDF {model.name}",
                got=list(arm_joints),
                expected="joints of one degree of freedom each, base first",
            )
        _move_origin(model, base_link, bin_position_base_m, bin_yaw_base_rad)
        self._tool = _add_tool(model, tool_link, tool_offset)
        self._model = model
        self._data = model.createData()
        self.position_low = np.array(model.lowerPositionLimit)
        self.position_high = np.array(model.upperPositionLimit)
        self.urdf_max_velocity = np.array(model.velocityLimit)
        self.urdf_max_effort = np.array(model.effortLimit)

    def pose(self, q: np.ndarray) -> np.ndarray:
        """(4,) x, y, z, azimuth of the tool in the bin's frame for (joints,) positions."""
        tool = self._tool_at(q)
        rotation = tool.rotation
        return np.array([*tool.translation, math.atan2(rotation[1, 0], rotation[0, 0])])

    def tilt_rad(self, q: np.ndarray) -> float:
        """Angle between the tool's z axis and straight down."""
        down = -self._tool_at(q).rotation[2, 2]
        return math.acos(min(max(down, -1.0), 1.0))

    def tool(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(3, 3) rotation and (3,) position of the tool in the bin's frame."""
        tool = self._tool_at(q)
        return tool.rotation.copy(), tool.translation.copy()

    def dexterity(self, q: np.ndarray) -> float:
        """Smallest singular value of the tool's Jacobian (m or rad a rad); 0 where it is stuck."""
        pin.computeJointJacobians(self._model, self._data, q)
        pin.updateFramePlacement(self._model, self._data, self._tool)
        jacobian = pin.getFrameJacobian(self._model, self._data, self._tool, pin.LOCAL)
        return float(np.linalg.svd(jacobian, compute_uv=False)[-1])

    def _tool_at(self, q: np.ndarray) -> pin.SE3:
        """The tool's frame in the bin's frame."""
        pin.forwardKinematics(self._model, self._data, q)
        return pin.updateFramePlacement(self._model, self._data, self._tool)

    def solve(
        self,
        pose: np.ndarray,
        start: np.ndarray,
        rest: np.ndarray | None = None,
        *,
        iterations: int = 12,
        tolerance: float = 2e-5,
        damping: float = 1e-3,
        rest_gain: float = 0.05,
    ) -> np.ndarray | None:
        """Joint positions near `start` with the tool at `pose`, looking down.

        Damped least squares from `start`; a redundant arm also leans towards `rest` in its first
        iteration, so that many small steps do not fold the elbow.

        Args:
            pose: (4,) x, y, z, azimuth in the bin's frame.
            start: (joints,) present positions.
            rest: (joints,) posture that is preferred.
            iterations: Newton steps at most.
            tolerance: Of the error, m and rad.
            damping: Of the least squares.
            rest_gain: Share of the way to `rest`.

        Returns:
            (joints,) positions, possibly outside the limits; None if none was found.
        """
        sine, cosine = math.sin(pose[3]), math.cos(pose[3])
        down = np.array([[cosine, sine, 0.0], [sine, -cosine, 0.0], [0.0, 0.0, -1.0]])
        goal = pin.SE3(down, pose[:3])
        damped = damping**2 * _UNIT
        q = np.array(start, float)
        for iteration in range(iterations):
            pin.computeJointJacobians(self._model, self._data, q)
            tool = pin.updateFramePlacement(self._model, self._data, self._tool)
            jacobian = pin.getFrameJacobian(self._model, self._data, self._tool, pin.LOCAL)
            error = pin.log6(tool.actInv(goal)).vector
            leans = iteration == 0 and rest is not None
            if not leans and max(map(abs, error.tolist())) < tolerance:
                return q
            lean = rest_gain * (rest - q) if leans else 0.0
            residual = error - jacobian @ lean if leans else error
            q = q + lean + jacobian.T @ dposv(jacobian @ jacobian.T + damped, residual)[1]
        return None


def robot_kinematics(robot: RobotConfig, urdf: str) -> ArmKinematics:
    """Of a robot's folder and the text of its description.

    Raises:
        InputError: The two contradict each other.
    """
    return ArmKinematics(
        urdf,
        robot.arm_joints,
        robot.base_link,
        robot.tool_link,
        robot.bin_position_base_m,
        robot.bin_yaw_base_rad,
        robot.tool_offset,
    )


def _add_tool(model: pin.Model, link: str, offset: Sequence[float]) -> int:
    """Adds the tool frame to a link; its index."""
    frame = model.frames[model.getFrameId(link)]
    placement = frame.placement * pin.SE3(pin.rpy.rpyToMatrix(*offset[3:]), np.array(offset[:3]))
    tool = pin.Frame("mtopt_tool", frame.parentJoint, placement, pin.FrameType.OP_FRAME)
    return model.addFrame(tool)


def _move_origin(
    model: pin.Model, base_link: str, position_base_m: Sequence[float], yaw_base_rad: float
) -> None:
    """Puts a model's origin to a pose in its base's frame.

    So all that pinocchio computes is in the bin's frame.
    """
    data = model.createData()
    pin.framesForwardKinematics(model, data, pin.neutral(model))
    base = data.oMf[model.getFrameId(base_link)]
    turned = base.rotation @ pin.rpy.rpyToMatrix(0.0, 0.0, yaw_base_rad)
    origin = pin.SE3(turned, base.act(np.asarray(position_base_m, float))).inverse()
    for joint in range(1, model.njoints):
        if model.parents[joint] == 0:
            model.jointPlacements[joint] = origin * model.jointPlacements[joint]
    for frame in model.frames:
        if frame.parentJoint == 0:
            frame.placement = origin * frame.placement
