"""One mechanism in every reading of every world; a flaw in a file is found and named."""

import shutil

import pytest

from mtopt_bringup.conformance.check import Nonconformity
from mtopt_bringup.conformance.compiled_mujoco import MujocoMechanism
from mtopt_bringup.conformance.descriptions import check_limits, check_mechanism
from mtopt_bringup.conformance.mechanism import differences
from mtopt_bringup.conformance.parsed_sdf import SdfMechanism, parsed_world, parser
from mtopt_bringup.conformance.parsed_urdf import UrdfMechanism
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder

WORLD = "one_station.sdf"
URDF = "models/iiwa14_gripper/iiwa14_gripper.urdf"
BIN = "models/tilting_bin/model.sdf"


@pytest.fixture(scope="module")
def robot():
    return load_robot(worlds_robot_folder())


@pytest.fixture(scope="module")
def gazebo():
    return SdfMechanism(parsed_world(share_dir() / "worlds" / WORLD))


def test_every_reading_of_the_world_is_the_same_mechanism(robot):
    """Of all the others: `mtopt doctor --backend mujoco`, in test_doctor.py."""
    assert "URDF within 0.1 mm" in check_mechanism(share_dir() / "worlds" / WORLD, robot)


FLAWS = {
    "origin": (URDF, '<origin rpy="0 0 0" xyz="0 0 0.1575"/>',
               '<origin rpy="0 0 0" xyz="0 0.0002 0.1575"/>', "mm apart"),
    "axis": (URDF, '<axis xyz="0 0 1"/>', '<axis xyz="0 0.001 1"/>', "axis"),
    "limit": (URDF, 'upper="2.96', 'upper="2.95', "upper"),
    "effort": (URDF, 'effort="320', 'effort="300', "effort"),
    "mass": (URDF, '<mass value="4"', '<mass value="4.1"', "kg against"),
    "hinge": (BIN, "<upper>0.9", "<upper>0.8", "robot_1_bin/bin_hinge_joint: upper"),
    "hinge's place": (BIN, "0 -0.20 0 0 0 0</pose>\n      <parent>stand",
                      "0 -0.201 0 0 0 0</pose>\n      <parent>stand", "origin_m 1.000 mm"),
    "object": ("models/apple/model.sdf", "<mass>0.16", "<mass>0.17", "robot_1_apple"),
}  # fmt: skip


def broken_copy(tmp_path, flaw):
    file, right, wrong, words = FLAWS[flaw]
    shutil.copytree(share_dir() / "worlds", tmp_path / "worlds")
    path = tmp_path / "worlds" / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    return tmp_path / "worlds", words


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_in_what_mujoco_is_built_from_is_named(flaw, gazebo, tmp_path):
    worlds, words = broken_copy(tmp_path, flaw)
    mujoco = MujocoMechanism(worlds / WORLD)
    names = gazebo.names
    if parser() is None and FLAWS[flaw][0] == URDF:
        gazebo = UrdfMechanism(share_dir() / "worlds" / URDF, "robot_1",
                               mujoco.model_pose("robot_1"))  # fmt: skip
        names = set(gazebo.joints)
    found = differences(mujoco, gazebo, names)
    assert any(words in text for text in found), found


def test_a_velocity_that_the_urdf_forbids_is_named(robot):
    from dataclasses import replace

    fast = replace(robot, max_velocity=(9.0, *robot.max_velocity[1:]))
    with pytest.raises(Nonconformity, match="velocity of iiwa_joint_1"):
        check_limits(share_dir() / "worlds" / WORLD, fast)


@pytest.mark.skipif(parser() is None, reason="no parser of Gazebo's to compare with")
def test_without_gazebos_parser_the_bin_and_objects_are_read_the_same(gazebo, monkeypatch):
    monkeypatch.setattr("mtopt_bringup.conformance.parsed_sdf.parser", lambda: None)
    plain = SdfMechanism(parsed_world(share_dir() / "worlds" / WORLD))
    assert "robot_1_bin/bin_hinge_joint" in plain.joints
    assert plain.names == {name for name in gazebo.names if not name.startswith("robot_1/")}
    assert differences(plain, gazebo, plain.names) == []
