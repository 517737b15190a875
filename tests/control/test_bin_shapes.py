"""The gripper's simple shapes against the bin's, and the bin's against the world's own model."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from cell_robot import ROBOT, ROOT, urdf
from scipy.spatial.transform import Rotation

from mtopt_control.arm.bin_shapes import BinShapes
from mtopt_control.arm.clamp import TOUCH_M, SafetyClamp
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_spec.action import ArmError

DOWN = Rotation.from_euler("x", np.pi).as_matrix()


def depth(x, y, z, azimuth=0.0, finger_m=0.05):
    rotation = Rotation.from_euler("z", azimuth).as_matrix() @ DOWN
    return BinShapes(ROBOT).depth_m(rotation[None], np.array([[x, y, z]]), finger_m)


def test_the_robots_file_has_the_bin_of_the_world():
    model = ElementTree.parse(ROOT / "worlds/models/tilting_bin/model.sdf")
    planes = []
    for touch in model.iter("collision"):
        name, box = touch.get("name"), touch.find("geometry/box/size")
        if not name.startswith(("wall", "catch")):
            continue
        pose = np.array(touch.find("pose").text.split(), float)
        size = np.array(box.text.split(), float)
        rotation = Rotation.from_euler("xyz", pose[3:]).as_matrix()
        normal = rotation[:, size.argmin()]
        normal = normal * np.sign(normal @ ([0.0, 0.1, 0.3] - pose[:3]))
        corners = pose[:3] + (np.indices((2, 2, 2)).reshape(3, 8).T - 0.5) * size @ rotation.T
        planes.append([*normal, normal @ pose[:3] + size.min() / 2.0, corners[:, 2].max()])
    assert len(planes) == 6
    for plane in planes:
        assert min(np.abs(np.array(ROBOT.bin_planes) - plane).max(1)) < 5e-4, plane


def test_clear_over_the_bin_and_deep_in_floor_plate_and_wall():
    assert depth(0.0, 0.0, 0.1) < 0.0
    assert depth(0.0, 0.0, 0.005) == pytest.approx(0.012 - 0.005, abs=1e-6), "finger tips, floor"
    assert depth(-0.1, 0.32, 0.012) == pytest.approx(0.006, abs=1e-6), "finger tips, plate"
    assert depth(0.0, 0.32, 0.018) == pytest.approx(0.005, abs=1e-6), "finger tips, ridge"
    # fingers along y, open, over the foot of the near wall: its outer tip is 0.071 m aside
    tip, (_, ny, nz, offset, _) = np.array([-0.165 - 0.071, 0.018 - 0.012]), ROBOT.bin_planes[0]
    assert depth(0.0, -0.165, 0.018) == pytest.approx(offset - ny * tip[0] - nz * tip[1], abs=1e-6)
    assert depth(0.0, -0.165, 0.018) > 0.01
    assert depth(0.0, -0.165, 0.018, azimuth=np.pi / 2) < TOUCH_M, "turned, they fit"
    assert depth(0.0, -0.165, 0.018, finger_m=0.0) < TOUCH_M, "closed, they fit"


def test_a_thin_divider_is_not_stepped_over():
    from dataclasses import replace

    divided = replace(ROBOT, bin_blocks=(((-0.2, 0.099, 0.0), (0.2, 0.101, 0.05)),))
    two = np.stack([DOWN, DOWN])
    places = np.array([[0.0, 0.05, 0.03], [0.0, 0.15, 0.03]])
    assert BinShapes(divided).depth_m(two, places, 0.0) > 0.0
    places[:, 2] = 0.07
    assert BinShapes(divided).depth_m(two, places, 0.0) < 0.0


def clamped():
    """The robot's kinematics, and its clamp."""
    kinematics = ArmKinematics(
        urdf(), ROBOT.arm_joints, ROBOT.base_link, ROBOT.tool_link, ROBOT.bin_position_base_m
    )
    return kinematics, SafetyClamp(ROBOT, kinematics)


def test_a_step_into_a_wall_is_cut():
    kinematics, clamp = clamped()
    home = np.array(ROBOT.home_position)
    q = kinematics.solve(np.array([0.0, -0.1, 0.02, 0.0]), home, iterations=60)
    motion = clamp.toward_pose(q, (0.0, -0.06, 0.0, 0.0), 0.05)
    went = kinematics.pose(motion.end) - kinematics.pose(q)
    rotation, place = kinematics.tool(motion.end)
    assert motion.clamped and motion.error == ArmError.NONE and -0.055 < went[1] < -0.01
    assert BinShapes(ROBOT).depth_m(rotation[None], place[None], 0.05) <= TOUCH_M + 1e-6
    narrow = clamp.toward_pose(q, (0.0, -0.06, 0.0, 0.0), 0.0)
    assert not narrow.clamped, "with closed fingers it may"


def test_fingers_that_opened_onto_the_bin_come_up_again():
    """Closed the gripper was clear of the bin; open it is 3.4 mm deep, and the way home is up."""
    posture = np.array([0.10362, 0.99945, -0.04419, -1.60393, 0.07235, 0.53981, 0.16635])
    kinematics, clamp = clamped()
    x, y, z, azimuth = kinematics.pose(posture)
    assert depth(x, y, z, azimuth, 0.0) < 0.0 < TOUCH_M + 0.001 < depth(x, y, z, azimuth, 0.05)
    up = clamp.toward_pose(posture, (0.0, 0.0, 0.2 - z, 0.0), 0.05)
    assert up.error == ArmError.NONE and kinematics.pose(up.end)[2] > z + 0.01
    out = clamp.toward_pose(up.end, (0.0, 0.0, 0.1, 0.0), 0.05)
    assert depth(*kinematics.pose(out.end), 0.05) < TOUCH_M
    down = clamp.toward_pose(out.end, (0.0, 0.0, -0.2, 0.0), 0.05)
    assert depth(*kinematics.pose(down.end), 0.05) <= TOUCH_M + 1e-6, "and not into it again"
