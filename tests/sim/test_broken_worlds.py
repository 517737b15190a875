"""World files, models and URDFs that say what nobody would do are refused; none hangs."""

import re
import shutil

import numpy as np
import pytest

from mtopt_sim.scene import build_spec, compile_scene
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.station import Station
from mtopt_sim.world_file import WorldFileError, read_world, robot_names

WORLD = "one_station.sdf"
BIN, CAMERA, MILK, URDF = (
    f"models/{name}"
    for name in ("tilting_bin/model.sdf", "shoulder_camera/model.sdf", "milk/model.sdf",
                 "iiwa14_gripper/iiwa14_gripper.urdf")
)  # fmt: skip
CAMERA_POSE = '<pose relative_to="robot_1_station">0.50 0.60 0.98 0 1.036 -1.43</pose>'
SENSOR_POSE = '<pose relative_to="mast">0 0 0 0 0 0</pose><update_rate>5<'
INERTIAL = "<inertial><mass>1</mass><inertia><ixx>1</ixx><iyy>1</iyy><izz>1</izz>" \
           "<ixy>0</ixy><ixz>0</ixz><iyz>0</iyz></inertia></inertial>"  # fmt: skip
ON_WORLD, ON_TRAY = (
    f'name="stand_mount" type="fixed">\n      <parent>{parent}<' for parent in ("world", "tray")
)
MOUNT = '<joint name="stand_mount"'
SECOND_PARENT = (
    f'<joint name="x" type="fixed"><parent>world</parent><child>tray</child></joint>{MOUNT}'
)


@pytest.fixture
def copy(worlds, tmp_path):
    """The worlds, to be changed: (file, old, new) -> the world's path."""
    shutil.copytree(worlds, tmp_path / "worlds")

    def change(file, old, new, world=WORLD):
        path = tmp_path / "worlds" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return tmp_path / "worlds" / world

    return change


# File, its text, what stands there instead, words of the error.
FLAWS = {
    "element in an include": (
        WORLD, "<name>robot_1_milk</name>", "<name>robot_1_milk</name><garbage/>",
        "include[robot_1_milk]/garbage",
    ),
    "element in a link": (MILK, "<velocity_decay>", "<garbage/><velocity_decay>", "<garbage>"),
    "two of one": (MILK, "<mass>0.2<", "<mass>0.2</mass><mass>0.3<", "a second <mass>"),
    "two shapes": (
        MILK, "<box><size>0.11 ", "<sphere><radius>1</radius></sphere><box><size>0.11 ",
        "['sphere', 'box']",
    ),
    "no flag": (CAMERA, "<static>true<", "<static>yes<", "true or false"),
    "no degrees": (WORLD, CAMERA_POSE, CAMERA_POSE.replace("pose r", 'pose degrees="x" r'), "'x'"),
    "frame on no link": (BIN, 'me name="plate"', 'me name="plate" attached_to="no"', "'no'"),
    "sensor's frame": (CAMERA, "<update_rate>5<", SENSOR_POSE, "sensor[shoulder]/pose"),
    "visual's frame": (
        CAMERA, "<pose>-0.03 ", '<pose relative_to="__model__">-0.03 ', "visual[body]/pose",
    ),
    "light's frame": (
        WORLD, "<pose>0 0 6 ", '<pose relative_to="robot_1_station">0 0 6 ', "light[sun]/pose",
    ),
    "light of a point": (WORLD, 'type="directional"', 'type="point"', "expected directional"),
    "view backwards": (CAMERA, "<horizontal_fov>0.62", "<horizontal_fov>-0.62", "horizontal_fov"),
    "view of degrees": (CAMERA, "<horizontal_fov>0.62", "<horizontal_fov>62", "horizontal_fov"),
    "plane on edge": (
        "models/ground_plane/model.sdf", "<normal>0 0 1", "<normal>1 0 0", "normal 1 0 0",
    ),
    "two parents": (BIN, MOUNT, SECOND_PARENT, "child of two joints"),
    "loop": (BIN, ON_WORLD, ON_TRAY, "loop"),
    "limits": (BIN, "<lower>-0.35<", "<lower>5<", "lower below upper"),
    "axis": (BIN, ">1 0 0</xyz>", ">0 0 0</xyz>", "a direction"),
    "damping": (BIN, "<damping>2<", "<damping>-2<", "damping -2.0"),
    "inertia": (MILK, "<ixx>0.000104533<", "<ixx>0.1<", "principal moments"),
    "URDF element": (URDF, '<link name="tool0"/>', '<link name="tool0"><a/></link>', "<a>"),
    "URDF attribute": (URDF, '<mass value="5"', '<mass value="5" unit="g"', "'unit'"),
    "URDF block": (URDF, '"gripper_left_pad">\n    <mu1', '"pad">\n    <mu1', "unknown link 'pad'"),
    "URDF mimic": (URDF, 'multiplier="1"', 'multiplier="-1"', "multiplier -1.0"),
    "URDF mimic's offset": (URDF, 'offset="0"', 'offset="0.01"', "offset 0.01"),
    "URDF mass": (URDF, '<mass value="5"', '<mass value="-5"', "not positive"),
    "URDF inertia": (URDF, 'ixx="0.1"', 'ixx="9"', "principal moments"),
    "URDF size": (URDF, 'length="0.15"', 'length="0"', "size [0.105, 0.0]"),
    "URDF limits": (URDF, 'lower="0" upper="0.05"', 'lower="0.05" upper="0"', "lower below upper"),
    "URDF effort": (URDF, 'effort="20"', 'effort="-1"', "effort -1.0"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_the_reader_would_not_do_is_refused(flaw, copy):
    file, old, new, words = FLAWS[flaw]
    world = copy(file, old, new)
    with pytest.raises(WorldFileError, match=re.escape(words)) as error:
        read_world(world)
    assert file in str(error.value)


def test_links_that_nothing_joins_are_refused(copy):
    world = copy(MILK, "<plugin", f'<link name="cap">{INERTIAL}</link><plugin')
    with pytest.raises(WorldFileError, match=r"robot_1_milk.*'cap', 'milk'"):
        read_world(world)


def pose_of(world, model="robot_1_shoulder_camera"):
    return read_world(world).models[model].pose


def test_degrees_are_degrees(copy, worlds):
    degrees = " ".join(str(np.rad2deg(angle)) for angle in (0, 1.036, -1.43))
    new = f'<pose relative_to="robot_1_station" degrees="true">0.50 0.60 0.98 {degrees}</pose>'
    np.testing.assert_allclose(pose_of(copy(WORLD, CAMERA_POSE, new)), pose_of(worlds / WORLD))


def test_a_models_own_pose_holds_where_its_include_has_none(copy, worlds):
    world = copy(WORLD, CAMERA_POSE, "")
    copy(CAMERA, "<static>", "<pose>0.5 0.6 1.58 0 1.036 -1.43</pose><static>")
    np.testing.assert_allclose(pose_of(world), pose_of(worlds / WORLD))
    np.testing.assert_array_equal(pose_of(copy(WORLD, "<name>robot_1_shoulder_camera</name>",
                                               f"<name>robot_1_shoulder_camera</name>{CAMERA_POSE}")),
                                  pose_of(worlds / WORLD))  # fmt: skip


def test_an_include_makes_its_model_static(copy):
    name = "<name>robot_1_milk</name>"
    world = copy(WORLD, name, f"{name}<static>true</static>")
    models = read_world(world).models
    assert models["robot_1_milk"].static and not models["robot_1_can"].static


def test_robots_come_in_the_order_of_the_file(copy):
    copy(WORLD, "robot_1", "robot_2")
    text = copy(WORLD, "</world>", "</world>").read_text()
    block = text[text.index("    <!-- robot_2 -->") : text.index("  </world>")]
    world = copy(WORLD, block, block + block.replace("robot_2", "robot_10"))
    assert robot_names(world) == ("robot_2", "robot_10")


def compiled(world, root):
    described, params = read_world(world), load_sim_params(root / "params/sim.yaml")
    return compile_scene(build_spec(described, params, np.eye(4)), described)


def test_no_limit_of_effort_is_none(copy, root):
    model = compiled(copy(BIN, "<effort>150<", "<effort>-1<"), root)
    assert not model.actuator("robot_1_bin/bin_hinge_joint").forcelimited[0]


def test_what_mujoco_refuses_is_reported_with_the_world(copy, root):
    inertial = re.search(r"<inertial>.*?</inertial>", (root / "worlds" / MILK).read_text(), re.S)
    world = copy(MILK, inertial.group(), "")
    with pytest.raises(WorldFileError, match=r"one_station\.sdf.*robot_1_milk/milk"):
        compiled(world, root)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (WORLD, "robot_1_shoulder_camera", "robot_1_cam", "no model robot_1_shoulder_camera"),
        (CAMERA, 'name="shoulder"', 'name="mast"', "no camera shoulder"),
        (BIN, "tray", "dish", "no link tray"),
        (URDF, "tool0", "tip", "no link tool0"),
    ],
)
def test_a_station_without_one_of_its_parts_is_refused(file, old, new, words, copy, root):
    world = copy(file, old, new)
    with pytest.raises(WorldFileError, match=words):
        Station(world, params=root / "params/sim.yaml",
                robot_file=root / "params/robots/iiwa14/robot.yaml")  # fmt: skip
