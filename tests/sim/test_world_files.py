"""The world, its models, the robot: valid for the real parser, as published, no second copy."""

import os
import shutil
import subprocess
from pathlib import Path

import mujoco
import numpy as np
import pytest

from mtopt_sim.expand_urdf import expand
from mtopt_sim.world_file import WorldFileError, read_world, robot_names

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*ROOT.glob("worlds/*.sdf"), *ROOT.glob("worlds/models/*/*.sdf")]
    + [*ROOT.glob("worlds/models/*/*.urdf")]
)
XACRO = ROOT / "worlds/models/iiwa14_gripper/iiwa14_gripper.urdf.xacro"

# KUKA LBR iiwa 14 R820, data sheet: range (deg), torque (N m), speed (deg/s).
PUBLISHED = [
    (170, 320, 85), (120, 320, 85), (170, 176, 100), (120, 176, 75),
    (170, 110, 130), (120, 40, 135), (175, 40, 135),
]  # fmt: skip


@pytest.mark.skipif(shutil.which("ign") is None, reason="`ign sdf` is not installed")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_sdf_parser_finds_the_file_valid(file):
    environment = {**os.environ, "SDF_PATH": str(ROOT / "worlds/models")}
    # The Ruby tool must not take our libraries for its own.
    environment.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run(
        ["ign", "sdf", "-k", str(file)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Valid." in done.stdout
    assert "Error" not in done.stderr and "Warning" not in done.stderr, done.stderr


def test_the_urdf_is_what_the_xacro_says():
    assert expand(XACRO) == XACRO.with_suffix("").read_text(), (
        f"run `python -m mtopt_sim.expand_urdf {XACRO.relative_to(ROOT)}`"
    )


def test_joint_limits_are_the_published_ones(worlds, station):
    arm = read_world(worlds / "bin_cell.sdf", "robot_1").models["robot_1"]
    joints = [joint for joint in arm.joints if joint.name.startswith("iiwa_joint")]
    assert len(joints) == 7
    for joint, (degrees, torque, speed) in zip(joints, PUBLISHED):
        assert joint.upper == pytest.approx(np.deg2rad(degrees)) and joint.lower == -joint.upper
        assert joint.velocity == pytest.approx(np.deg2rad(speed)) and joint.effort == torque
        in_mujoco = station.model.joint(f"robot_1/{joint.name}")
        np.testing.assert_allclose(in_mujoco.range, [joint.lower, joint.upper])
        force = station.model.actuator(f"robot_1/{joint.name}").forcerange
        np.testing.assert_allclose(force, [-torque, torque])


def test_arm_has_the_published_length_and_mass(worlds):
    arm = read_world(worlds / "bin_cell.sdf", "robot_1").models["robot_1"]
    # Straight up: 1306 mm from the floor to the flange of the R820.
    flange = arm.links["gripper_base"].pose[2, 3]
    assert flange == pytest.approx(1.306, abs=0.001)
    masses = [arm.links[f"iiwa_link_{i}"].inertia.mass_kg for i in range(8)]
    assert masses == [5, 4, 4, 3, 2.7, 1.7, 1.8, 0.3]


def test_robot_file_agrees_with_world_and_urdf(worlds, robot):
    world = read_world(worlds / "bin_cell.sdf")
    arm = world.models["robot_1"]
    joints = {joint.name: joint for joint in arm.joints}
    for name, speed in zip(robot.arm_joints, robot.max_velocity):
        assert speed <= joints[name].velocity
    for i in range(1, 8):
        base, tray = (world.models[f"robot_{i}{part}"].pose for part in ("", "_bin"))
        in_base = np.linalg.inv(base) @ tray
        np.testing.assert_allclose(in_base[:3, 3], robot.bin_position_base_m, atol=1e-9)
        np.testing.assert_allclose(in_base[:3, :3], np.eye(3), atol=1e-9)


def test_the_tool_points_down_everywhere_in_the_workspace(worlds, robot):
    pin = pytest.importorskip("pinocchio")
    model = pin.buildModelFromUrdf(robot.urdf)
    data, frame = model.createData(), model.getFrameId(robot.tool_link)
    low, high = model.lowerPositionLimit, model.upperPositionLimit

    def solve(position, azimuth, start):
        q = start.copy()
        turn = pin.rpy.rpyToMatrix(0, 0, azimuth) @ pin.rpy.rpyToMatrix(np.pi, 0, 0)
        target = pin.SE3(turn, np.array(robot.bin_position_base_m) + position)
        for _ in range(300):
            pin.forwardKinematics(model, data, q)
            pin.updateFramePlacement(model, data, frame)
            error = pin.log(data.oMf[frame].actInv(target)).vector
            if np.linalg.norm(error) < 1e-4:
                return q
            jacobian = pin.computeFrameJacobian(model, data, q, frame)[:, :7]
            pseudo = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + 1e-5 * np.eye(6))
            step = pseudo @ error - 0.1 * (np.eye(7) - pseudo @ jacobian)[:, 2] * q[2]
            q[:7] = np.clip(q[:7] + np.clip(step, -0.3, 0.3), low[:7], high[:7])
        raise AssertionError(f"no joints for {position} at azimuth {azimuth}")

    home = np.append(robot.home_position, [0.0, 0.0])
    reached = solve(np.array([0, 0, robot.home_height_m]), 0.0, home)
    np.testing.assert_allclose(reached, home, atol=1e-3)
    (x0, y0, z0), (x1, y1, z1) = robot.workspace_low_m, robot.workspace_high_m
    for x in (x0, 0.0, x1):
        for y in (y0, 0.0, -y0, 0.25, y1):
            for z in (z0, 0.1, z1):
                straight = solve(np.array([x, y, z]), 0.0, home)
                for azimuth in (-np.pi / 2, np.pi / 2):
                    solve(np.array([x, y, z]), azimuth, straight)


def test_the_cell_has_seven_robots_with_nine_objects_each(worlds):
    from mtopt_sim.scene import object_names

    assert robot_names(worlds / "bin_cell.sdf") == tuple(f"robot_{i}" for i in range(1, 8))
    world = read_world(worlds / "bin_cell.sdf")
    for name in robot_names(worlds / "bin_cell.sdf"):
        assert len(object_names(world, name)) == 9


BROKEN = {
    "cut off": (lambda s: s[: len(s) // 2], "one_station.sdf", "well-formed XML"),
    "model missing": (
        lambda s: s.replace("model://can", "model://tin"), "one_station.sdf", "model://tin",
    ),
    "word for a number": (
        lambda s: s.replace("<max_step_size>0.004", "<max_step_size>fast"),
        "physics/max_step_size", "1 numbers",
    ),
    "unknown frame": (
        lambda s: s.replace('relative_to="robot_1_bin"', 'relative_to="robot_1_box"'),
        "include[robot_1_banana]", "robot_1_box",
    ),
    "other version": (lambda s: s.replace('version="1.9"', 'version="1.4"'), "sdf", "version 1.9"),
    "no robot": (
        lambda s: s.replace("<name>robot_1</name>", "<name>robot_x</name>"), "world", "robot_1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("flaw", BROKEN)
def test_a_broken_world_is_refused_with_file_element_and_expectation(flaw, worlds, tmp_path):
    change, place, words = BROKEN[flaw]
    text = (worlds / "one_station.sdf").read_text()
    broken = change(text)
    assert broken != text
    (tmp_path / "models").symlink_to(worlds / "models")
    file = tmp_path / "one_station.sdf"
    file.write_text(broken)
    with pytest.raises(WorldFileError) as error:
        read_world(file, "robot_1")
    message = str(error.value)
    assert str(file) in message and words in message
    assert all(part in message for part in place.split("/")) and "expected" in message


def test_a_broken_model_is_reported_with_its_own_file(worlds, tmp_path):
    shutil.copytree(worlds, tmp_path / "worlds")
    model = tmp_path / "worlds/models/apple/model.sdf"
    model.write_text(model.read_text().replace("<mass>0.16</mass>", "<mass>-1</mass>"))
    with pytest.raises(WorldFileError, match=r"apple/model\.sdf.*inertial"):
        read_world(tmp_path / "worlds/one_station.sdf", "robot_1")


def test_a_urdf_without_the_named_joints_is_refused(worlds, root, tmp_path):
    from mtopt_sim.station import Station
    from mtopt_spec.errors import InputError

    shutil.copytree(worlds, tmp_path / "worlds")
    urdf = tmp_path / "worlds/models/iiwa14_gripper/iiwa14_gripper.urdf"
    urdf.write_text(urdf.read_text().replace("iiwa_joint_4", "elbow"))
    with pytest.raises(InputError, match="iiwa_joint_4"):
        Station(
            tmp_path / "worlds/one_station.sdf",
            params=root / "params/sim.yaml",
            robot_file=root / "params/robots/iiwa14/robot.yaml",
        )


def test_mujoco_mass_is_the_files_mass(station, worlds):
    world = read_world(worlds / "bin_cell.sdf", "robot_1")
    arm = world.models["robot_1"]
    moving = sum(
        link.inertia.mass_kg
        for link in arm.links.values()
        if link.inertia is not None and link.name != "iiwa_link_0"
    )
    ids = [
        i for i in range(station.model.nbody) if station.model.body(i).name.startswith("robot_1/")
    ]
    assert station.model.body_mass[ids].sum() == pytest.approx(moving)
    apple = world.models["robot_1_apple"].links["apple"].inertia.mass_kg
    assert station.model.body("robot_1_apple/apple").mass[0] == pytest.approx(apple)
    assert station.model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
