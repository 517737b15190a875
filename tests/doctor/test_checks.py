"""Each check finds its fault, and is content without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from board_scene import HEIGHT_PX, WIDTH_PX, BoardScene, focal_length_px, looking_at
from scipy.spatial.transform import Rotation

from mtopt_bringup.doctor.boards import calibrate, find_corners, is_new_view, parse_board
from mtopt_bringup.doctor.calibrating import keep_calibration
from mtopt_bringup.doctor.calibration_checks import (
    MAX_RESIDUAL_PX,
    check_board,
    check_camera_info,
    pose_numbers,
)
from mtopt_bringup.doctor.camera_file import CameraInfo, read_camera_info, write_camera_info
from mtopt_bringup.doctor.checks import FAIL, NOT_DONE, OK, table
from mtopt_bringup.doctor.folder_checks import check_folder
from mtopt_bringup.doctor.motion import Followed, judge_motion, plan_motion, sent_path
from mtopt_bringup.doctor.picture_checks import check_pictures
from mtopt_bringup.doctor.stream_checks import Arrivals, check_joints, check_stream
from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf, robot_kinematics
from mtopt_spec.action import HOLD
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.robot import CameraConfig, load_robot, robot_folder

ROBOTS = ("iiwa14", "panda", "ur5e")
BOARDS = ("checkerboard:8x5:0.03", "charuco:8x6:0.03:0.022")


def folder_checks(folder: Path) -> dict:
    robot = load_robot(folder)
    return {check.name: check for check in check_folder(robot, read_urdf(Path(robot.urdf)))}


@pytest.mark.parametrize("name", ROBOTS)
def test_a_shipped_robot_reaches_its_whole_workspace(name):
    checks = folder_checks(robot_folder(name))
    assert {c.name for c in checks.values() if c.state == FAIL} == set()
    reach = checks["reachability"].figures
    assert reach["poses"] == 7 * 9 * 5 * 13 and reach["not_reached"] == 0
    least = {"iiwa14": 0.027, "panda": 0.13, "ur5e": 0.66}[name]
    assert reach["margin_rad"] > least and reach["dexterity"] > 0.02


def test_a_place_that_is_not_reached_is_named(changed_robot):
    check = folder_checks(changed_robot("iiwa14", workspace_high_m=[0.165, 0.405, 0.30]))
    reach = check["reachability"]
    assert reach.state == FAIL and "(0.165, 0.405, 0.300) m" in reach.detail
    assert reach.figures["not_reached"] == len(reach.figures["failed_poses"]) > 0
    corner = [(x, y, z) for x, y, z, _ in reach.figures["failed_poses"]]
    assert set(corner) == {(0.165, 0.405, 0.30)}
    folded = folder_checks(changed_robot("panda", bin_position_base_m=[0.3, -0.24, -0.02]))
    assert "degrees from its limit" in folded["reachability"].detail


def test_a_limit_above_the_urdfs_is_named(changed_robot):
    checks = folder_checks(changed_robot("panda", max_effort=[87, 87, 87, 87, 12, 12, 15]))
    assert checks["limits"].state == FAIL and "panda_joint7" in checks["limits"].detail


def test_a_contradiction_ends_the_checks_of_the_folder(changed_robot):
    checks = folder_checks(changed_robot("ur5e", tool_link="flange"))
    assert checks["description"].state == FAIL and "flange" in checks["description"].detail
    assert checks["limits"].state == checks["reachability"].state == NOT_DONE
    robot = load_robot(changed_robot("panda", urdf="robot_description"))
    assert {c.state for c in check_folder(robot, None)} == {NOT_DONE}


def arrivals(period_s=0.04, offset_s=0.0, count=100) -> Arrivals:
    clock_s = 1000.0 + period_s * np.arange(count)
    return Arrivals(clock_s + offset_s, clock_s)


@pytest.mark.parametrize(
    ("stream", "word"),
    [
        (arrivals(), ""),
        (arrivals(period_s=0.5), "slower"),
        (arrivals(offset_s=-0.3), "synchronise"),
        (arrivals(offset_s=0.3), "synchronise"),
        (arrivals(count=1), "1 messages"),
        (arrivals(count=0), "0 messages"),
        (Arrivals(arrivals().stamps_s[::-1], arrivals().clock_s), "go back"),
    ],
)
def test_a_stream_is_judged_by_rate_and_clock(stream, word):
    check = check_stream("joint states", "/robot_1/joint_states", stream, 10.0, 0.05)
    assert check.state == (FAIL if word else OK) and word in check.detail
    if not word:
        assert check.figures["rate_hz"] == pytest.approx(25.0)


def test_joints_are_all_there_and_within_limits():
    robot = load_robot(robot_folder("panda"))
    kinematics = robot_kinematics(robot, read_urdf(Path(robot.urdf)))
    names = [*robot.arm_joints, robot.finger_joint, robot.hinge_joint]
    home = [*robot.home_position, 0.02, 0.0]
    assert check_joints(robot, kinematics, names, home).state == OK
    assert robot.hinge_joint in check_joints(robot, kinematics, names[:-1], home[:-1]).detail
    beyond = check_joints(robot, kinematics, names, [3.5, *home[1:]])
    assert beyond.state == FAIL and "panda_joint1" in beyond.detail
    finger = check_joints(robot, kinematics, names, [*home[:-2], 0.4, 0.0])
    assert finger.state == FAIL and "joint_open" in finger.detail


@pytest.fixture(scope="module")
def camera_pose():
    return looking_at(np.array([-0.1, -0.25, 0.45]), np.array([0.0, 0.02, 0.0]))


@pytest.fixture(scope="module", params=BOARDS)
def scene(request, tmp_path_factory, camera_pose):
    folder = tmp_path_factory.mktemp("board")
    scene = BoardScene(folder, parse_board(request.param), camera_pose)
    yield scene
    scene.close()


@pytest.fixture(scope="module")
def camera_info():
    f = focal_length_px()
    k = np.array([[f, 0.0, WIDTH_PX / 2 - 0.5], [0.0, f, HEIGHT_PX / 2 - 0.5], [0.0, 0.0, 1.0]])
    return CameraInfo("shoulder", WIDTH_PX, HEIGHT_PX, k, np.zeros(5))


def test_pictures_are_judged_by_focus_and_light(scene):
    picture = scene.show(np.eye(4))
    square = picture[:, 80:560]
    assert check_pictures("p", [square], (64, 64)).state == OK
    wide = check_pictures("p", [picture], (64, 64))
    assert wide.state == FAIL and "crop in the driver" in wide.detail
    for flaw, word in (
        (cv2.GaussianBlur(square, (0, 0), 20), "focus"),
        (np.clip(square.astype(int) * 3, 0, 255).astype(np.uint8), "overexposed"),
        (square // 8, "underexposed"),
    ):
        check = check_pictures("p", [flaw], (64, 64))
        assert check.state == FAIL and word in check.detail


def test_a_board_says_how_good_a_calibration_is(scene, camera_info, camera_pose, tmp_path):
    picture = scene.show(np.eye(4))
    write_camera_info(tmp_path / "shoulder.yaml", camera_info)
    place = tuple(pose_numbers(camera_pose))
    camera = CameraConfig(str(tmp_path / "shoulder.yaml"), "bin", place)
    known = scene.board_pose(np.eye(4))
    check = check_board("b", scene.board, [picture], camera, known, None)
    assert check.state == OK, check.detail
    assert check.figures["residual_px"] < 0.4 and check.figures["offset_m"] < 4e-3
    # a camera that was knocked by 3 cm
    moved = CameraConfig(camera.info, "bin", (place[0] + 0.03, *place[1:]))
    check = check_board("b", scene.board, [picture], moved, known, None)
    assert check.state == FAIL and check.figures["offset_m"] == pytest.approx(0.03, abs=4e-3)
    np.testing.assert_allclose(check.figures["pose_by_board"][:3], place[:3], atol=4e-3)
    # another lens
    write_camera_info(
        tmp_path / "shoulder.yaml",
        CameraInfo(
            "shoulder", WIDTH_PX, HEIGHT_PX, camera_info.matrix, np.array([0.6, 0, 0, 0, 0])
        ),
    )
    check = check_board("b", scene.board, [picture], camera, None, None)
    assert check.state == FAIL and "calibrate again" in check.detail
    empty = np.full_like(picture, 90)
    assert "is seen" in check_board("b", scene.board, [empty], camera, known, None).detail


def views(scene, count=14):
    """Pictures of the board in other poses."""
    draw = np.random.default_rng(3)
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", draw.uniform(-0.45, 0.45, 3)).as_matrix()
        pose[:3, 3] = draw.uniform((-0.08, -0.06, 0.0), (0.08, 0.08, 0.12))
        yield scene.show(pose)


def test_a_calibration_finds_the_lens_and_goes_through_its_file(scene, camera_info, tmp_path):
    found = []
    for picture in views(scene):
        view = find_corners(scene.board, picture)
        if view is not None and is_new_view(view, found, WIDTH_PX):
            found.append(view)
        assert view is None or not is_new_view(view, [view], WIDTH_PX)
    assert len(found) >= 8
    info, residual = calibrate(found, "shoulder", WIDTH_PX, HEIGHT_PX)
    assert residual < 0.4
    np.testing.assert_allclose(np.diag(info.matrix)[:2], focal_length_px(), rtol=0.02)
    write_camera_info(tmp_path / "c.yaml", info)
    again = read_camera_info(tmp_path / "c.yaml")
    np.testing.assert_array_equal(again.matrix, info.matrix)
    np.testing.assert_array_equal(again.distortion, info.distortion)
    camera = CameraConfig(str(tmp_path / "c.yaml"), "bin", (0, 0, 0, 0, 0, 0, 1))
    assert check_camera_info("i", camera, info).state == OK
    assert check_camera_info("i", camera, None).state == FAIL
    other = CameraInfo("x", WIDTH_PX, HEIGHT_PX, 1.1 * info.matrix, info.distortion)
    assert "driver says K" in check_camera_info("i", camera, other).detail


def test_a_calibration_that_is_too_bad_leaves_the_good_one(tmp_path, capsys):
    good = read_camera_info(robot_folder("iiwa14") / "wrist_camera.yaml")
    path, rejected = tmp_path / "c.yaml", tmp_path / "c.yaml.rejected"
    kept = keep_calibration(path, good, MAX_RESIDUAL_PX)
    assert (kept["file"], kept["ok"], kept["exit_code"]) == (str(path), True, 0)
    before = path.read_bytes()
    bad = replace(good, matrix=1.3 * good.matrix)
    kept = keep_calibration(path, bad, 1.01 * MAX_RESIDUAL_PX)
    assert (kept["file"], kept["ok"], kept["exit_code"]) == (str(rejected), False, 1)
    assert path.read_bytes() == before and f"{path} is left as it is" in capsys.readouterr().err
    np.testing.assert_array_equal(read_camera_info(rejected).matrix, bad.matrix)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("image_width", 0, "picture"),
        ("camera_matrix", {"data": [0.0] * 9}, "focal"),
        ("camera_matrix", {"data": [1.0] * 8}, "calibration"),
        ("distortion_coefficients", {"data": [float("nan")] * 5}, "distortion"),
        ("distortion_coefficients", {"data": [0.1] * 4}, "distortion"),
        ("distortion_model", "equidistant", "equidistant"),
    ],
)
def test_a_calibration_with_a_flaw_is_refused(tmp_path, key, value, word):
    shipped = robot_folder("iiwa14") / "wrist_camera.yaml"
    flawed = {**yaml.safe_load(shipped.read_text()), key: value}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(flawed))
    with pytest.raises(InputError, match=word):
        read_camera_info(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "text", ["", "board", "checkerboard:8x5", "charuco:8x6:0.03", "checkerboard:8:1"]
)
def test_a_board_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="board"):
        parse_board(text)


def test_the_shipped_calibration_is_the_simulators():
    from mtopt_sim.station import Station

    robot, station = load_robot(robot_folder("iiwa14")), Station()
    for name, camera in robot.cameras.items():
        told = station.camera_info(name)
        filed = read_camera_info(Path(camera.info))
        matrix = [[told.fx, 0, told.cx], [0, told.fy, told.cy], [0, 0, 1]]
        np.testing.assert_allclose(filed.matrix, matrix, rtol=1e-9)
        assert (filed.width_px, filed.height_px) == (told.width_px, told.height_px)
        pose = {"bin": told.pose_bin_camera, "tool": told.pose_tool_camera}[camera.parent]
        np.testing.assert_allclose(pose_numbers(pose), camera.pose, atol=2e-5)


LIMITS = ("max_velocity", "max_acceleration", "max_jerk")


def followed(robot, urdf, late_s=0.0, sag_rad=0.0, still=False) -> tuple[Followed, object]:
    """The plan through the real core, played by an arm that is late, sags or stays."""
    arm, kinematics = ArmCore(robot, urdf), robot_kinematics(robot, urdf)
    home = np.array(robot.home_position)
    plan = plan_motion(robot, kinematics.pose(home))
    names = (*robot.arm_joints, robot.finger_joint)
    q, trajectories = home, []
    for i, action in enumerate(plan.actions):
        full = np.array([*q, robot.gripper.joint_open])
        state = JointState(0.2 * i, names, full, 0 * full, 0 * full)
        sent, motion = arm.step(action, state, 0.2 * i)
        assert not sent.error
        q = motion.positions[-1, :-1]
        part = (motion.positions[:, :-1], motion.velocities[:, :-1], motion.times_s)
        trajectories.append((1.0 + 0.2 * i, *part))
        tool = kinematics.pose(q)[:3]
        assert np.all(tool > np.array(plan.low_m) - 1e-3)
        assert np.all(tool < np.array(plan.high_m) + 1e-3)
    np.testing.assert_allclose(kinematics.pose(q), kinematics.pose(home), atol=1e-3)
    times = np.arange(0.5, 1.5 + 0.2 * len(plan.actions), 0.01)
    nothing = Followed(np.array([0.002]), trajectories, [(0.0, home)])
    path = sent_path(nothing, times - late_s)
    path[:, 1] += sag_rad * (times > 1.0)
    path = np.tile(home, (len(times), 1)) if still else path
    return Followed(np.array([0.002, 0.004]), trajectories, list(zip(times, path))), kinematics


@pytest.mark.parametrize("name", ROBOTS)
def test_a_motion_is_judged_by_lag_and_rest(name):
    robot = load_robot(robot_folder(name))
    urdf = read_urdf(Path(robot.urdf))
    check = judge_motion(*followed(robot, urdf, late_s=0.06))
    assert check.state == OK, check.detail
    assert check.figures["lag_s"] == pytest.approx(0.06, abs=0.004)
    assert check.figures["tracking_worst_mm"] < 0.5 and check.figures["rest_mm"] < 0.5
    assert check.figures["action_to_trajectory_worst_ms"] == pytest.approx(4.0)
    late = judge_motion(*followed(robot, urdf, late_s=0.3))
    assert late.state == FAIL and "late" in late.detail
    sags = judge_motion(*followed(robot, urdf, sag_rad=0.02))
    assert sags.state == FAIL and "at rest" in sags.detail
    still = judge_motion(*followed(robot, urdf, still=True))
    assert still.state == FAIL and "no controller" in still.detail


def test_first_motions_within_a_tenth_of_the_limits_are_followed_too():
    robot = load_robot(robot_folder("ur5e"))
    tenth = {f: tuple(0.1 * np.array(getattr(robot, f))) for f in LIMITS}
    check = judge_motion(*followed(replace(robot, **tenth), read_urdf(Path(robot.urdf))))
    assert check.state == OK, check.detail
    assert 1 < check.figures["told_mm"] < 10
    least = {**tenth, "max_jerk": tuple(0.001 * np.array(robot.max_jerk))}
    cut = judge_motion(*followed(replace(robot, **least), read_urdf(Path(robot.urdf))))
    assert cut.state == FAIL and "limits cut its way" in cut.detail


def test_a_plan_begins_with_a_hold_which_lets_a_stopped_arm_go_on():
    plan = plan_motion(load_robot(robot_folder("iiwa14")), (0.1, 0.0, 0.1, 0.0))
    assert plan.actions[0] == HOLD


def test_the_box_of_a_motion_ends_at_the_workspace():
    robot = load_robot(robot_folder("iiwa14"))
    plan = plan_motion(robot, (0.16, 0.0, 0.02, 0.0))
    assert plan.high_m[0] <= robot.workspace_high_m[0] and plan.low_m[2] >= 0.018
    assert "0.163" in plan.words()
    with pytest.raises(InputError, match="pendant"):
        plan_motion(robot, (0.3, 0.0, 0.1, 0.0))


def test_the_table_has_a_line_a_check():
    checks = list(folder_checks(robot_folder("ur5e")).values())
    lines = table(checks).splitlines()
    assert len(lines) == len(checks) and lines[-1].startswith("not done")
