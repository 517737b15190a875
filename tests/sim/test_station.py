"""A station: deterministic, follows trajectories, and its cameras see what is there."""

import threading

import numpy as np
import pytest
import yaml

from mtopt_sim.station import Station, UnstablePhysics
from mtopt_sim.trajectory import JointTrajectory
from mtopt_spec.errors import InputError

PERIOD_S = 0.2


def _wander(station: Station, seed: int, steps: int = 6):
    """Resets, moves about the bin with the fingers low, and returns all that can be observed."""
    from exact_pick import ExactArm

    station.reset(seed)
    arm = ExactArm(station)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        way = rng.uniform(-0.05, 0.05, 3) - [0, 0, 0.03]
        target = np.clip(arm.position + way, [-0.1, -0.1, 0.03], [0.1, 0.1, 0.3])
        arm.go(target, finger=rng.uniform(0, 0.05))
    state, truth = station.joint_state(), station.truth()
    pictures = [station.render(name) for name in station.cameras]
    return [state.position, state.velocity, truth.position_bin_m, truth.quat_bin_wxyz, *pictures]


def _equal(ones, others) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ones, others))


def test_same_seed_and_commands_give_the_same_bits(station, worlds, root):
    first = _wander(station, 7)
    _wander(station, 8)
    assert _equal(first, _wander(station, 7)), "a scene depends on the scenes before it"
    other = Station(
        worlds / "bin_cell.sdf",
        "robot_6",
        params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )
    assert _equal(first, _wander(other, 7)), "a scene depends on the robot"
    assert not _equal(first, _wander(station, 9))


def test_stations_in_other_threads_give_the_same_bits(station, worlds, root):
    first = _wander(station, 3)
    results = {}

    def work(name):
        own = Station(
            worlds / "bin_cell.sdf",
            name,
            params=root / "params/sim.yaml",
            robot_file=root / "params/robots/iiwa14/robot.yaml",
        )
        results[name] = _wander(own, 3)

    threads = [threading.Thread(target=work, args=(f"robot_{i}",)) for i in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {"robot_2", "robot_3"}
    assert all(_equal(first, result) for result in results.values())


def test_time_goes_on_over_a_reset(station):
    before = station.time_s
    station.advance(PERIOD_S)
    station.reset(1)
    assert station.time_s == pytest.approx(before + PERIOD_S)


@pytest.mark.parametrize("what", ["qpos", "qvel", "ctrl"])
def test_physics_that_lost_its_state_is_an_error_until_the_next_scene(
    what, worlds, root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # where MuJoCo writes its log
    own = Station(
        worlds / "one_station.sdf",
        params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )
    own.advance(PERIOD_S)
    if what == "ctrl":
        position = own._servos._set_point
        own._servos._set_point = np.full_like(position, np.nan)
    else:
        getattr(own.data, what)[12] = np.nan
    with pytest.raises(UnstablePhysics, match=r"one_station\.sdf, robot_1.*finite"):
        own.advance(PERIOD_S)
    with pytest.raises(UnstablePhysics):
        own.advance(PERIOD_S)
    own.reset(1)
    own.advance(PERIOD_S)


def test_reset_draws_objects_poses_and_looks_by_seed(station):
    scenes = []
    for seed in range(6):
        station.reset(seed)
        truth = station.truth()
        assert len(truth.names) == 5 and truth.at_rest.all() and not truth.touched.any()
        assert np.all(np.abs(truth.position_bin_m[:, 0]) < 0.22)
        assert np.all(truth.position_bin_m[:, 2] > 0.01)
        scenes.append((truth.names, station.render("shoulder"), station.model.geom_friction.copy()))
    assert len({names for names, *_ in scenes}) > 3
    assert not np.array_equal(scenes[0][1], scenes[1][1])
    assert not np.array_equal(scenes[0][2], scenes[1][2])
    station.reset(0, objects=["apple", "can"], randomise=False)
    assert station.truth().names == ("apple", "can")
    plain = station.model.geom_rgba.copy()
    station.reset(1, objects=["apple"], randomise=False)
    np.testing.assert_array_equal(plain, station.model.geom_rgba)


@pytest.mark.parametrize("arguments", [{"objects": ["pear"]}, {"object_count": 10}])
def test_an_impossible_scene_is_refused(station, arguments):
    with pytest.raises(InputError, match="expected"):
        station.reset(0, **arguments)


def test_the_arm_keeps_to_its_trajectory(station):
    from exact_pick import ExactArm

    station.reset(0, object_count=0)
    arm = ExactArm(station)
    rng = np.random.default_rng(0)
    worst_m = worst_rad = 0.0
    for _ in range(40):
        low, high = [-0.15, -0.15, 0.05], [0.15, 0.38, 0.28]
        target = np.clip(arm.position + rng.uniform(-0.06, 0.06, 3), low, high)
        arm.go(target, arm.azimuth + rng.uniform(-0.3, 0.3))
        position, azimuth = arm.tool()
        worst_m = max(worst_m, np.abs(position - arm.position).max())
        worst_rad = max(worst_rad, abs(np.angle(np.exp(1j * (azimuth - arm.azimuth)))))
    assert worst_m < 0.002 and worst_rad < np.deg2rad(1), (worst_m, np.rad2deg(worst_rad))


def test_the_last_point_is_held(station):
    station.reset(0)
    home = station.joint_state().position[:8]
    goal = home + np.array([0.1, 0, 0, 0, 0, 0, 0, -0.02])
    station.command_trajectory(goal[None], np.zeros((1, 8)), np.array([0.4]))
    station.advance(1.0)
    held = station.joint_state()
    np.testing.assert_allclose(held.position[:8], goal, atol=1e-3)
    assert held.names[:8] == station.joint_names and held.names[8] == "bin_hinge_joint"


def test_a_hermite_path_goes_through_its_points():
    path = JointTrajectory(
        [0.0], [1.0], [[0.3], [0.5]], [[2.0], [0.0]], [0.2, 0.4],
    )  # fmt: skip
    times = np.array([0.0, 0.2, 0.4, 9.0])
    position, speed = path.sample(times)
    np.testing.assert_allclose(position[:, 0], [0, 0.3, 0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(speed[:, 0], [1, 2, 0, 0], atol=1e-12)
    # The middle of the first piece, by hand: (0 + 0.3) / 2 + 0.2 * (1 - 2) / 8.
    np.testing.assert_allclose(path.sample(np.array([0.1]))[0][0, 0], 0.125, atol=1e-12)


BAD_TRAJECTORIES = {
    "not a number": (np.full((1, 8), np.nan), None, [0.2]),
    "seven joints": (np.zeros((1, 7)), None, [0.2]),
    "times fall": (np.zeros((2, 8)), None, [0.4, 0.2]),
    "one time short": (np.zeros((2, 8)), None, [0.4]),
    "speeds of another shape": (np.zeros((1, 8)), np.zeros((2, 8)), [0.4]),
    "no point": (np.zeros((0, 8)), None, []),
    "23 days": (np.zeros((1, 8)), None, [2e6]),
}


@pytest.mark.parametrize("flaw", BAD_TRAJECTORIES)
def test_a_bad_trajectory_is_refused_and_the_arm_holds(station, flaw):
    station.reset(0)
    before = station.joint_state().position
    with pytest.raises(InputError, match="joint trajectory"):
        station.command_trajectory(*BAD_TRAJECTORIES[flaw])
    station.advance(PERIOD_S)
    np.testing.assert_allclose(station.joint_state().position, before, atol=1e-3)


@pytest.mark.parametrize("angle", [1.2, float("nan")])
def test_a_hinge_angle_out_of_range_is_refused(station, angle):
    with pytest.raises(InputError, match="hinge"):
        station.command_hinge(angle)


def test_advance_wants_whole_physics_steps(station):
    with pytest.raises(InputError, match="multiple"):
        station.advance(0.0123)


def test_an_unknown_camera_is_refused(station):
    with pytest.raises(InputError, match="shoulder"):
        station.render("ceiling")


@pytest.mark.parametrize(("name", "red"), [("apple", True), ("box", False)])
def test_the_shoulder_camera_sees_an_object_where_the_calibration_says(station, name, red):
    info = station.camera_info("shoulder")
    for seed in range(4):
        station.reset(seed, objects=[name], randomise=False)
        from_bin = np.linalg.inv(info.pose_bin_camera)
        x, y, z = from_bin[:3, :3] @ station.truth().position_bin_m[0] + from_bin[:3, 3]
        expected = np.array([info.cx + info.fx * x / z, info.cy + info.fy * y / z])
        colour = station.render("shoulder").astype(float)
        mine, others = (0, (1, 2)) if red else (2, (0, 1))
        mask = colour[..., mine] > 60 + 1.5 * colour[..., others].max(axis=-1)
        assert mask.sum() > 6
        rows, columns = np.nonzero(mask)
        seen = np.array([columns.mean(), rows.mean()])
        assert np.linalg.norm(seen - expected) < 1.5, (seen, expected)


def test_a_calibration_counts_from_the_centre_of_the_first_pixel(worlds, root):
    """Half a pixel of a small picture is 7 mm of the bin: a large one tells where things are."""
    seen = {}
    for size in (64, 512):
        own = Station(
            worlds / "one_station.sdf",
            image_sizes={"shoulder": (size, size)},
            params=root / "params/sim.yaml",
            robot_file=root / "params/robots/iiwa14/robot.yaml",
        )
        info, rays = own.camera_info("shoulder"), []
        for seed in range(8):
            own.reset(seed, objects=["apple"], randomise=False)
            colour = own.render("shoulder").astype(float)
            rows, columns = np.nonzero(colour[..., 0] > 60 + 1.5 * colour[..., 1:].max(axis=-1))
            rays.append([(columns.mean() - info.cx) / info.fx, (rows.mean() - info.cy) / info.fy])
        seen[size] = np.array(rays) * own.camera_info("shoulder").fx
    off_px = (seen[64] - seen[512] / 8).mean(0)
    assert np.abs(off_px).max() < 0.2, off_px


def test_the_wrist_camera_sees_between_the_fingers(station):
    from exact_pick import ExactArm

    info = station.camera_info("wrist")
    assert info.pose_bin_camera is None
    x, y, z = -info.pose_tool_camera[:3, :3].T @ info.pose_tool_camera[:3, 3]
    column, row = info.cx + info.fx * x / z, info.cy + info.fy * y / z
    assert 8 < column < 24 and 8 < row < 24
    station.reset(0, objects=["apple"], randomise=False)
    place = station.truth().position_bin_m[0]
    arm = ExactArm(station)
    arm.go([place[0], place[1], 0.05])
    colour = station.render("wrist")[int(row), int(column)].astype(int)
    assert colour[0] > 60 + colour[1] and colour[0] > 60 + colour[2]


def test_every_object_is_visible_and_unlike_the_others(station):
    shades = {}
    for name in station.object_names:
        station.reset(0, objects=[name], randomise=False)
        empty_scene = station.render("shoulder").astype(int)
        station.reset(0, objects=[], randomise=False)
        change = np.abs(empty_scene - station.render("shoulder").astype(int)).sum(axis=-1) > 40
        assert change.sum() >= 12, f"{name} covers {change.sum()} px"
        shades[name] = np.median(empty_scene[change], axis=0)
    names = list(shades)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(shades[one] - shades[other]).max() > 40, (one, other, shades)


def test_picture_sizes_are_taken_as_height_and_width(worlds, root):
    own = Station(
        worlds / "one_station.sdf",
        image_sizes={"shoulder": (48, 80)},
        params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )
    assert own.render("shoulder").shape == (48, 80, 3)
    info = own.camera_info("shoulder")
    assert (info.height_px, info.width_px) == (48, 80)
    # The world file gives the horizontal angle.
    assert info.fx == pytest.approx(40 / np.tan(0.31), rel=1e-6)


def test_the_policy_nodes_calibration_is_the_worlds_nominal_camera(station, root):
    file = yaml.safe_load((root / "params/policy_node.yaml").read_text())
    written = file["policy_node"]["ros__parameters"]
    nominal = station.camera_info("shoulder")
    assert written["camera_size_px"] == [nominal.width_px, nominal.height_px]
    intrinsics = [nominal.fx, nominal.fy, nominal.cx, nominal.cy]
    assert written["camera_intrinsics"] == pytest.approx(intrinsics, abs=1e-4)
    pose = nominal.pose_bin_camera
    assert written["camera_position_bin_m"] == pytest.approx(list(pose[:3, 3]), abs=1e-6)
    assert written["camera_rotation_bin"] == pytest.approx(pose[:3, :3].ravel().tolist(), abs=1e-6)
