"""Friction holds what is squeezed, and nothing else."""

import numpy as np
import pytest
from exact_pick import ExactArm, grasp_azimuth, pick

OBJECTS = ("banana", "bottle", "sausage", "milk", "box", "can", "carrot", "apple", "sponge")


@pytest.mark.parametrize("name", OBJECTS)
def test_a_clean_grasp_lifts_and_holds_while_shaken(station, name):
    results = []
    for seed in range(30):
        station.reset(seed, objects=[name])
        place = station.truth().position_bin_m[0]
        if np.all(np.abs(place[:2]) < 0.11) and len(results) < 4:  # room for the open fingers
            results.append(pick(station, ExactArm(station), name))
    lifted, held = np.array(results).T
    assert len(results) == 4 and lifted.all() and held.sum() >= 3, f"{lifted}, {held}"


def test_nothing_is_lifted_by_fingers_that_do_not_close(station):
    station.reset(0, objects=["box"])
    arm = ExactArm(station)
    place = station.truth().position_bin_m[0].copy()
    arm.go([place[0], place[1], 0.10], grasp_azimuth(station, "box"))
    arm.go([place[0], place[1], 0.022])
    arm.go([place[0], place[1], 0.20])
    truth = station.truth()
    assert not truth.held[0] and truth.position_bin_m[0, 2] < 0.04


def test_an_opened_gripper_lets_go(station):
    station.reset(1, objects=["apple"])
    arm = ExactArm(station)
    assert pick(station, arm, "apple", shake=False)[0]
    arm.go([0.0, 0.0, 0.12])
    arm.go(finger=0.05)
    arm.go()
    arm.go()
    truth = station.truth()
    assert not truth.held[0] and not truth.touched[0] and truth.position_bin_m[0, 2] < 0.06


def test_the_grip_is_about_ten_newtons(station):
    station.reset(1, objects=["box"])
    arm = ExactArm(station)
    pick(station, arm, "box", shake=False)
    station.advance(0.4)
    effort = station.joint_state().effort[station.joint_names.index("gripper_left_finger_joint")]
    # The one motor drives both fingers.
    assert 8 < -effort / 2 < 12
