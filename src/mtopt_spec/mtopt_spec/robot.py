"""A robot as data: one file in params/robots/ a kind of arm."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import yaml

from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class RobotConfig:
    """What the cell must know of an arm, its gripper and its bin. Every field is required.

    Attributes:
        name: Of the kind of robot: `iiwa14`.
        urdf: URDF or xacro, relative to the installed share folder of mtopt_bringup.
        arm_joints: Names of the arm's joints, base first.
        finger_joint: Name of the gripper's driven joint (m a finger).
        hinge_joint: Name of the bin's hinge.
        base_link: Root frame of the arm.
        tool_link: Frame between the finger tips, z out of the gripper.
        bin_position_base_m: Origin of the bin's frame in the base's (axes parallel).
        workspace_low_m, workspace_high_m: Box in the bin's frame that the tool may not leave.
        max_velocity: One an arm joint, rad/s; not above the URDF's.
        max_acceleration: One an arm joint, rad/s^2.
        max_jerk: One an arm joint, rad/s^3.
        max_effort: One an arm joint, N m, of what `joint_states` reports; empty where the robot
            reports none.
        home_position: One an arm joint, rad: tool over the picking area.
        home_height_m: Height of the tool there above the bin's floor.
        retract_position: One an arm joint, rad: clear of the tipping bin.
        finger_open_m, finger_closed_m: Targets of the finger joint.
        finger_max_velocity: m/s.
        finger_box_m: Lowest and highest corner of the closed finger that opens along +y, in the
            tool's frame; it moves as the finger joint does, and the other finger is its mirror.
        hand_box_m: The same of the gripper's body.
        bin_planes: Walls of the level bin: [normal x, y, z, offset m, top m], bin frame. Inside is
            where normal * point >= offset; above its top a wall is none.
        bin_blocks: What else stands in the bin (plate, divider): lowest and highest corner, m.
        bin_reset: Stages of the tipping: [hinge angle rad, shortest s, longest s].
        max_state_age_s: Joint states older than this make the arm hold.
    """

    name: str
    urdf: str
    arm_joints: tuple[str, ...]
    finger_joint: str
    hinge_joint: str
    base_link: str
    tool_link: str
    bin_position_base_m: tuple[float, float, float]
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


def load_robot(path: Path) -> RobotConfig:
    """Reads a robot file.

    Raises:
        InputError: It is missing, lacks a field (a missing limit stops the start), has one too
            many, or a limit is not a positive finite number.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError("robot file", where=path, got="no file", expected="robot.yaml") from None
    except yaml.YAMLError as error:
        raise InputError("robot file", where=path, got=f"{error}", expected="YAML") from error
    if not isinstance(data, dict):
        raise InputError("robot file", where=path, got=type(data).__name__, expected="a mapping")
    names = {f.name for f in fields(RobotConfig)}
    if set(data) != names:
        raise InputError(
            "robot fields",
            where=path,
            got=f"missing {sorted(names - set(data))}, unknown {sorted(set(data) - names)}",
            expected="every field of RobotConfig",
        )
    config = RobotConfig(**{key: _frozen(value) for key, value in data.items()})
    joints = len(config.arm_joints)
    limits = ("max_velocity", "max_acceleration", "max_jerk", "max_effort")
    for key in (*limits, "home_position", "retract_position"):
        values = getattr(config, key)
        if key == "max_effort" and not values:
            continue
        if len(values) != joints or not np.all(np.isfinite(np.asarray(values, float))):
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


def _check_shapes(config: RobotConfig, path: Path) -> None:
    """Raises InputError where a box, a wall or a block is not what it must be."""
    for key, shape in (
        ("finger_box_m", (2, 3)),
        ("hand_box_m", (2, 3)),
        ("bin_planes", (len(config.bin_planes), 5)),
        ("bin_blocks", (len(config.bin_blocks), 2, 3)),
    ):
        try:
            values = np.reshape(np.asarray(getattr(config, key), float), shape)
        except (ValueError, TypeError):
            values = np.full(shape, np.nan)
        good = np.all(np.isfinite(values))
        if key == "bin_planes":
            good = good and np.allclose(np.linalg.norm(values[:, :3], axis=1), 1.0, atol=1e-3)
        else:
            good = good and np.all(values[..., 0, :] < values[..., 1, :])
        if not good:
            raise InputError(
                key,
                where=path,
                got=getattr(config, key),
                expected="[[low], [high]] of a box, or unit normal, offset and top of a plane",
            )


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
