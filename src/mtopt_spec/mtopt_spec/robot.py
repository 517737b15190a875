"""A robot as data: a folder in params/robots/ a kind of arm, with robot.yaml in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir
from mtopt_spec.typed_data import filled

FILE = "robot.yaml"
ARM = "iiwa14"
"""Kind of robot that the worlds have."""
DESCRIPTION_TOPIC = "robot_description"
"""As `urdf`: the description comes on this topic of the robot's namespace."""

COMMANDS = ("trajectory", "action", "position")
PARENTS = ("bin", "tool")


@dataclass(frozen=True)
class GripperConfig:
    """How the gripper is driven. The arm's side counts in `finger_m`, metres of one finger.

    Attributes:
        command: `trajectory` (trajectory_msgs/JointTrajectory), `action`
            (control_msgs/GripperCommand) or `position` (std_msgs/Float64MultiArray of one number,
            as forward_command_controller takes it).
        topic: Of it, below the robot's namespace. The arm's `trajectory_topic`: the finger is part
            of the arm's trajectory.
        joint_open, joint_closed: What `joint_states` says of the finger joint, in its own unit, at
            `finger_open_m` and `finger_closed_m`; linear in between.
        max_effort: Of the action, N; 0 leaves it to the driver.
    """

    command: str
    topic: str
    joint_open: float
    joint_closed: float
    max_effort: float


@dataclass(frozen=True)
class CameraConfig:
    """A camera's calibration.

    Attributes:
        info: YAML file of the camera_calibration package; absolute once it is loaded.
        parent: `bin`, or `tool` for a camera on the wrist.
        pose: x, y, z (m) and quaternion x, y, z, w of the optical frame (z forward, x right, y
            down) in the parent's.
    """

    info: str
    parent: str
    pose: tuple[float, float, float, float, float, float, float]


@dataclass(frozen=True)
class RobotConfig:
    """What the cell must know of an arm, its gripper and its bin. Every field is required.

    Attributes:
        name: Of the kind of robot: `iiwa14`.
        urdf: URDF or xacro: below the robot's folder, `package://<package>/...`, or
            `robot_description`, the topic; a file is absolute once it is loaded.
        arm_joints: Names of the arm's joints, base first.
        finger_joint: Name of the gripper's driven joint (m a finger).
        hinge_joint: Name of the bin's hinge.
        base_link: Root frame of the arm.
        tool_link: Link of the description that carries the tool frame.
        tool_offset: x, y, z (m), roll, pitch, yaw (rad) of the tool frame in it: between the finger
            tips, z out of the gripper, fingers opening along y.
        bin_position_base_m: Origin of the bin's frame in the base's.
        bin_yaw_base_rad: Turn of the bin's frame about the base's z axis.
        workspace_low_m, workspace_high_m: Box in the bin's frame that the tool may not leave.
        max_velocity: One an arm joint, rad/s; not above the URDF's.
        max_acceleration: One an arm joint, rad/s^2.
        max_jerk: One an arm joint, rad/s^3.
        max_effort: One an arm joint, N m, of what `joint_states` reports; empty where the robot
            reports none.
        home_position: One an arm joint, rad: tool over the picking area.
        home_height_m: Height of the tool there above the bin's floor.
        retract_position: One an arm joint, rad: clear of the tipping bin.
        finger_open_m, finger_closed_m: Way of one finger, m.
        finger_max_velocity: m/s.
        finger_box_m: Lowest and highest corner of the closed finger that opens along +y, in the
            tool's frame; it moves as the finger joint does, and the other finger is its mirror.
        hand_box_m: The same of the gripper's body.
        bin_planes: Walls of the level bin: [normal x, y, z, offset m, top m], bin frame. Inside is
            where normal * point >= offset; above its top a wall is none.
        bin_blocks: What else stands in the bin (plate, divider): lowest and highest corner, m.
        bin_reset: Stages of the tipping: [hinge angle rad, shortest s, longest s].
        max_state_age_s: Joint states older than this make the arm hold.
        trajectory_topic: Of the arm's controller, below the robot's namespace.
        gripper: How it is driven.
        cameras: Calibration of each camera that has one, by name.
    """

    name: str
    urdf: str
    arm_joints: tuple[str, ...]
    finger_joint: str
    hinge_joint: str
    base_link: str
    tool_link: str
    tool_offset: tuple[float, float, float, float, float, float]
    bin_position_base_m: tuple[float, float, float]
    bin_yaw_base_rad: float
    workspace_low_m: tuple[float, float, float]
    workspace_high_m: tuple[float, float, float]
    max_velocity: tuple[float, ...]
    max_acceleration: tuple[float, ...]
    max_jerk: tuple[float, ...]
    max_effort: tuple[float, ...]
    home_position: tuple[float, ...]
    home_height_m: float
    retract_position: tuple[float, ...]
    finger_open_m: float
    finger_closed_m: float
    finger_max_velocity: float
    finger_box_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    hand_box_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    bin_planes: tuple[tuple[float, float, float, float, float], ...]
    bin_blocks: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]
    bin_reset: tuple[tuple[float, float, float], ...]
    max_state_age_s: float
    trajectory_topic: str
    gripper: GripperConfig
    cameras: Mapping[str, CameraConfig]


def robot_folder(name: str) -> Path:
    """The folder of a robot: a path as it is, else a name below the installed params/robots/.

    Raises:
        InputError: There is none.
    """
    installed = share_dir() / "params" / "robots"
    for folder in (Path(name), installed / name):
        if (folder / FILE).is_file():
            return folder.resolve()
    raise InputError(
        "robot", where=f"{installed} and {Path.cwd()}", got=name,
        expected=f"one of {sorted(path.parent.name for path in installed.glob('*/' + FILE))}, or "
        f"a folder with {FILE}",
    )  # fmt: skip


def worlds_robot_folder() -> Path:
    """The installed folder of the robot that the worlds have."""
    return share_dir() / "params" / "robots" / ARM


def load_robot(path: Path) -> RobotConfig:
    """Reads a robot's folder, or its file.

    Raises:
        InputError: It is missing, lacks a field (a missing limit stops the start), has one too
            many, a field is not what it must be, or a limit is not a positive finite number.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        data = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError("robot file", where=path, got="no file", expected="robot.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("robot file", where=path, got=f"{error}", expected="YAML") from error
    config = filled(RobotConfig, data, path)
    parts = {
        "urdf": _description(config.urdf, path.parent),
        "cameras": {
            name: _located(camera, f"{path}, camera {name}", path.parent)
            for name, camera in config.cameras.items()
        },
    }
    config = replace(config, **parts)
    _check_gripper(config, path)
    joints = len(config.arm_joints)
    limits = ("max_velocity", "max_acceleration", "max_jerk", "max_effort")
    for key in (*limits, "home_position", "retract_position"):
        values = getattr(config, key)
        if key == "max_effort" and not values:
            continue
        if len(values) != joints:
            raise InputError(key, where=path, got=values, expected=f"{joints} finite numbers")
    for key in (*limits, "finger_max_velocity", "max_state_age_s"):
        if np.any(np.asarray(getattr(config, key), float) <= 0):
            raise InputError(key, where=path, got=getattr(config, key), expected="above 0")
    _check_shapes(config, path)
    if not np.all(np.less(config.workspace_low_m, config.workspace_high_m)):
        raise InputError(
            "workspace",
            where=path,
            got=f"{config.workspace_low_m} to {config.workspace_high_m}",
            expected="low below high on each axis",
        )
    return config


def _description(urdf: str, folder: Path) -> str:
    """Where the description is: the topic's name, or an absolute path."""
    if urdf == DESCRIPTION_TOPIC:
        return urdf
    scheme, found, rest = urdf.partition("package://")
    if found and not scheme:
        package, _, name = rest.partition("/")
        return str(share_dir(package) / name)
    return str((folder / urdf).resolve())


def _located(camera: CameraConfig, where: str, folder: Path) -> CameraConfig:
    """A camera with the absolute path of its file."""
    if camera.parent not in PARENTS:
        raise InputError("parent", where=where, got=camera.parent, expected=PARENTS)
    if not abs(np.linalg.norm(camera.pose[3:]) - 1.0) < 1e-3:
        raise InputError(
            "pose",
            where=where,
            got=camera.pose,
            expected="x, y, z and a unit quaternion x, y, z, w",
        )
    return replace(camera, info=str((folder / camera.info).resolve()))


def _check_gripper(config: RobotConfig, path: Path) -> None:
    gripper = config.gripper
    if gripper.command not in COMMANDS:
        raise InputError("gripper command", where=path, got=gripper.command, expected=COMMANDS)
    for low, high in (
        (config.finger_closed_m, config.finger_open_m),
        (gripper.joint_closed, gripper.joint_open),
    ):
        if low == high:
            raise InputError(
                "finger", where=path, got=(low, high), expected="two numbers that differ"
            )
    if gripper.max_effort < 0:
        raise InputError(
            "gripper max_effort", where=path, got=gripper.max_effort, expected="0 or more"
        )
    shared = gripper.topic == config.trajectory_topic
    if shared > (gripper.command == COMMANDS[0]):
        raise InputError(
            "topics", where=path, got=(config.trajectory_topic, gripper.command, gripper.topic),
            expected="another topic of the gripper, or the arm's for a trajectory",
        )  # fmt: skip


def _check_shapes(config: RobotConfig, path: Path) -> None:
    """Raises InputError where a box, a wall or a stage of the tipping is not what it must be."""
    for key, good, expected in (
        ("finger_box_m", _is_box(config.finger_box_m), "lowest and highest corner"),
        ("hand_box_m", _is_box(config.hand_box_m), "lowest and highest corner"),
        ("bin_blocks", all(map(_is_box, config.bin_blocks)), "lowest and highest corner of each"),
        (
            "bin_planes",
            all(abs(np.linalg.norm(plane[:3]) - 1.0) < 1e-3 for plane in config.bin_planes),
            "unit normal, offset and top of each",
        ),
        (
            "bin_reset",
            config.bin_reset and all(0 < low <= high for _, low, high in config.bin_reset),
            "a stage or more: hinge angle, shortest and longest time, above 0",
        ),
    ):
        if not good:
            raise InputError(key, where=path, got=getattr(config, key), expected=expected)


def _is_box(box: tuple[tuple[float, ...], tuple[float, ...]]) -> bool:
    return bool(np.all(np.less(*box)))
