"""Tipping the bin throws everything back into the picking area: physics, no teleport."""

import numpy as np

SCENES = 6


def _fill_the_plate(station, robot, seed):
    """Five objects dropped on the plate (by hand, as it were), the arm out of the way."""
    station.reset(seed)
    retract = np.append(robot.retract_position, robot.finger_open_m)[None]
    station.command_trajectory(retract, np.zeros_like(retract), np.array([1.2]))
    station.advance(1.6)
    rng = np.random.default_rng(seed)
    places = [(-0.1, 0.27), (0.1, 0.27), (-0.1, 0.37), (0.1, 0.37), (0.0, 0.32)]
    data, model = station.data, station.model
    for name, place in zip(station.truth().names, places):
        joint = model.joint(f"robot_1_{name}/free")
        x, y = np.array(place) + rng.uniform(-0.03, 0.03, 2)
        position = station.pose_base_bin[:3, 3] + [x, y, 0.05]
        data.qpos[joint.qposadr[0] : joint.qposadr[0] + 3] = position
        data.qvel[joint.dofadr[0] : joint.dofadr[0] + 6] = 0
    station.advance(1.2)


def test_tipping_clears_the_plate_and_spreads_the_objects(station, robot):
    on_plate = inside = within_reach = total = 0
    for seed in range(SCENES):
        _fill_the_plate(station, robot, seed)
        on_plate += sum(section != "" for section in station.truth().section)
        rng = np.random.default_rng(seed)
        for angle, shortest_s, longest_s in robot.bin_reset:
            station.command_hinge(angle)
            station.advance(round(rng.uniform(shortest_s, longest_s) / 0.2) * 0.2)
        station.advance(0.6)
        truth = station.truth()
        assert abs(truth.hinge_angle_rad) < 0.01
        position = truth.position_bin_m
        total += len(position)
        inside += np.sum(np.all(np.abs(position[:, :2]) < 0.215, axis=1))
        within_reach += np.sum(position[:, 1] > robot.workspace_low_m[1])
    assert on_plate >= 0.9 * total, "the test did not fill the plate"
    assert inside >= 0.95 * total, f"{inside} of {total} in the picking area"
    assert within_reach >= 0.75 * total, f"{within_reach} of {total} away from the wall"


def test_the_bin_turns_at_the_motors_rate_and_comes_back_to_rest(station):
    station.reset(0, object_count=0)
    station.command_hinge(0.6)
    station.advance(0.2)
    assert 0.05 < station.truth().hinge_angle_rad < 0.3
    station.advance(0.6)
    assert abs(station.truth().hinge_angle_rad - 0.6) < 0.01
    station.command_hinge(0.0)
    station.advance(1.0)
    assert abs(station.truth().hinge_angle_rad) < 1e-3


def test_objects_at_rest_stay_where_they_are(station):
    station.reset(4)
    before = station.truth().position_bin_m
    station.advance(2.0)
    np.testing.assert_allclose(station.truth().position_bin_m, before, atol=5e-3)
