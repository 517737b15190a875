"""Joints of what is neither arm nor bin: nobody drives them, they give way and swing back."""

import shutil

import numpy as np
import pytest

from mtopt_sim.station import Station
from mtopt_spec.errors import InputError

DRAWER = """<sdf version="1.9"><model name="drawer">
  <link name="rail">{inertial}{shape}</link>
  <link name="box">{inertial}{shape}</link>
  <joint name="mount" type="fixed"><parent>world</parent><child>rail</child></joint>
  <joint name="slide" type="prismatic"><parent>rail</parent><child>box</child><axis>
    <xyz>1 0 0</xyz>
    <limit><lower>-0.2</lower><upper>0.2</upper><effort>20</effort><velocity>1</velocity></limit>
    <dynamics><damping>4</damping><spring_reference>0.1</spring_reference>
      <spring_stiffness>20</spring_stiffness></dynamics>
  </axis></joint>
</model></sdf>""".format(
    inertial="<inertial><mass>0.3</mass><inertia><ixx>0.001</ixx><iyy>0.001</iyy><izz>0.001</izz>"
    "<ixy>0</ixy><ixz>0</ixz><iyz>0</iyz></inertia></inertial>",
    shape='<collision name="c"><geometry><box><size>0.1 0.1 0.02</size></box></geometry>'
    "</collision>",
)


def make(world, root):
    return Station(world, params=root / "params/sim.yaml",
                   robot_file=root / "params/robots/iiwa14/robot.yaml")  # fmt: skip


def home(station):
    return station.joint_state().position[:-1].copy()


def run(station):
    station.reset(3)
    station.command_trajectory(home(station)[None] + 0.1, None, np.array([0.4]))
    station.command_hinge(0.5)
    junk = [np.full((100, 64), 1.234) for _ in range(8)]  # what freed memory may hold
    del junk
    station.advance(0.6)
    return station.data.qpos.copy()


@pytest.fixture
def drawer_world(worlds, tmp_path):
    shutil.copytree(worlds, tmp_path / "worlds")
    folder = tmp_path / "worlds/models/drawer"
    folder.mkdir()
    (folder / "model.sdf").write_text(DRAWER)
    shutil.copy(tmp_path / "worlds/models/milk/model.config", folder)
    world = tmp_path / "worlds/one_station.sdf"
    include = (
        "<include><uri>model://drawer</uri><name>robot_1_drawer</name>"
        '<pose relative_to="robot_1_bin">0.6 0 0 0 0 0</pose></include></world>'
    )
    world.write_text(world.read_text().replace("</world>", include))
    return world


def test_the_towel_gives_way_touches_and_is_the_same_in_every_run(worlds, root):
    station = make(worlds / "towel_station.sdf", root)
    model = station.model
    assert not [i for i in range(model.nu) if "towel" in model.actuator(i).name]
    strips = [model.geom(f"robot_1_towel/strip_{i}/touch_0").id for i in range(1, 8)]
    assert model.geom_contype[strips].all() and model.geom_conaffinity[strips].all()
    first = run(station)
    np.testing.assert_array_equal(first, run(station))
    np.testing.assert_array_equal(first, run(make(worlds / "towel_station.sdf", root)))


def test_the_towel_lies_in_the_bin_creased_by_its_springs(worlds, root):
    station = make(worlds / "towel_station.sdf", root)
    station.reset(0, objects=[])
    creases = [station.model.joint(f"robot_1_towel/crease_{i}").qposadr[0] for i in range(1, 7)]
    station.data.qpos[station.model.joint("robot_1_towel/free").qposadr[0] + 2] += 0.03
    station.advance(2.0)
    turns = station.data.qpos[creases] * ([-1, 1] * 3)
    assert np.all(turns > 0.3), "the springs' creases, of 1.2 rad without gravity"
    middle = station.data.body("robot_1_towel/strip_4").xpos
    in_bin = (middle - station.pose_base_bin[:3, 3]) @ station.pose_base_bin[:3, :3]
    assert np.all(np.abs(in_bin[:2]) < 0.2) and 0 < in_bin[2] < 0.04


def test_a_drawer_keeps_its_place_over_a_reset_and_follows_its_spring(drawer_world, root):
    station = make(drawer_world, root)
    model, data = station.model, station.data
    joint = model.joint("robot_1_drawer/slide")
    station.reset(0, objects=[])
    assert 0 < data.qpos[joint.qposadr] < 0.04, "it begins at 0, not at the finger's opening"
    station.advance(2.0)
    assert data.qpos[joint.qposadr] == pytest.approx(0.1, abs=2e-3), "box and rail do not touch"
    assert model.nu == 9
    np.testing.assert_array_equal(run(station), run(station))


def test_a_motor_that_nobody_commands_is_refused(worlds, root, tmp_path):
    shutil.copytree(worlds, tmp_path / "worlds")
    urdf = tmp_path / "worlds/models/iiwa14_gripper/iiwa14_gripper.urdf"
    mimic = '<mimic joint="gripper_left_finger_joint" multiplier="1" offset="0"/>'
    text = urdf.read_text()
    assert mimic in text
    urdf.write_text(text.replace(mimic, ""))
    with pytest.raises(InputError, match="motors.*gripper_right_finger_joint"):
        make(tmp_path / "worlds/one_station.sdf", root)
