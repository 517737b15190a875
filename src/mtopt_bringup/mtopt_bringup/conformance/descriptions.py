"""Checks of a world's files alone: all readings of them are one mechanism, within its limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.compiled_mujoco import MujocoMechanism
from mtopt_bringup.conformance.mechanism import PLACE_M, differences
from mtopt_bringup.conformance.parsed_sdf import SdfMechanism, parsed_world, parser
from mtopt_bringup.conformance.parsed_urdf import UrdfMechanism
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.world_file import robot_names
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import RobotConfig

POSTURES = 8


def world_files() -> tuple[Path, ...]:
    """All worlds that are shipped."""
    return tuple(sorted((share_dir() / "worlds").glob("*.sdf")))


def check_mechanism(world: Path, robot: RobotConfig) -> str:
    """MuJoCo's model, Gazebo's reading and the arm's URDF, joint by joint and mass by mass."""
    gazebo, mujoco = SdfMechanism(parsed_world(world)), MujocoMechanism(world)
    rigid = {name for name in gazebo.names if name.split("/")[0] not in gazebo.soft}
    found = differences(mujoco, gazebo, rigid, POSTURES)
    arms = 0
    for name in robot_names(world):
        urdf = UrdfMechanism(robot.urdf, name, mujoco.model_pose(name))
        found += differences(mujoco, urdf, set(urdf.joints), POSTURES)
        if parser() is not None:
            found += differences(gazebo, urdf, set(urdf.joints), POSTURES)
        arms += 1
    expect(not found, world.name, "; ".join(found[:4]), "one mechanism in every reading")
    by = f"`{parser()} sdf -p`" if parser() else "its SDF alone (no parser of Gazebo's here)"
    return (
        f"{len(mujoco.joints)} joints, {len(rigid)} bodies, {arms} arms in {POSTURES} postures:"
        f" MuJoCo, {by}, URDF within {1000 * PLACE_M:.1f} mm"
    )


def check_limits(world: Path, robot: RobotConfig) -> str:
    """What the clamp and the hinge's servo may ask for is within the description's limits."""
    gazebo = SdfMechanism(parsed_world(world))
    name = robot_names(world)[0]
    urdf = UrdfMechanism(robot.urdf, name, np.eye(4))
    for joint, velocity, home in zip(robot.arm_joints, robot.max_velocity, robot.home_position):
        facts = urdf.joints[f"{name}/{joint}"]
        expect(velocity <= facts.velocity, f"velocity of {joint}", velocity, facts.velocity)
        inside = facts.lower < home < facts.upper
        expect(inside, f"home of {joint}", home, f"within {facts.lower} to {facts.upper}")
    finger = urdf.joints[f"{name}/{robot.finger_joint}"]
    expect(
        robot.finger_max_velocity <= finger.velocity and robot.finger_open_m <= finger.upper,
        "finger", (robot.finger_max_velocity, robot.finger_open_m),
        f"at most {finger.velocity} m/s, {finger.upper} m",
    )  # fmt: skip
    hinge = gazebo.joints[f"{name}_bin/{robot.hinge_joint}"]
    rate = load_sim_params(share_dir() / "params" / "sim.yaml").hinge_rate
    angles = [stage[0] for stage in robot.bin_reset]
    expect(rate <= hinge.velocity, "hinge_rate", rate, f"at most {hinge.velocity} rad/s")
    expect(
        hinge.lower <= min(angles) and max(angles) <= hinge.upper,
        "bin_reset", angles, f"within {hinge.lower} to {hinge.upper} rad",
    )  # fmt: skip
    return f"{len(robot.arm_joints)} arm joints, finger and hinge of {robot.name}"
