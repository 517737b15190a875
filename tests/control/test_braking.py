"""A motion that is broken off: on its own way, within its own peaks, once."""

from __future__ import annotations

import numpy as np
import pytest
from cell_robot import reading
from cubic_controller import CubicController

from mtopt_control.arm.signs import Signs
from mtopt_control.arm.time_law import (
    LAW,
    PEAK_ACCELERATION,
    PEAK_JERK,
    SLOWS_FROM,
    at,
    braking,
)
from mtopt_spec.action import Action, ArmError, Kind

MOVE = Action(translation_m=(0.0, 0.05, 0.0))


def test_the_law_goes_from_rest_to_rest():
    assert LAW[-1].tau == pytest.approx(1.0) and LAW[-1].way == pytest.approx(1.0)
    assert max(knot.speed for knot in LAW) == pytest.approx(1.5)
    assert at(0.5).way == pytest.approx(0.5) and at(2.0).way == 1.0 and at(-1.0).way == 0.0
    taus = np.linspace(0.0, 1.0, 2001)
    speed = np.array([at(tau).speed for tau in taus])
    way = np.concatenate(([0.0], np.cumsum((speed[1:] + speed[:-1]) / 2.0 * np.diff(taus))))
    np.testing.assert_allclose([at(tau).way for tau in taus], way, atol=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.01, 0.05, 1 / 12, 0.085, 0.1, 0.2, 0.25, 0.3, 0.5, 0.66])
def test_a_braking_is_soon_over_and_keeps_to_the_way_and_the_peaks(tau):
    knots = [at(tau), *braking(tau)]
    assert knots[-1].speed == 0.0 and knots[-1].acceleration == 0.0
    assert knots[-1].tau - tau <= 5 / 12 + 1e-9 and at(tau).way <= knots[-1].way <= 1.0
    for here, there in zip(knots, knots[1:]):
        duration = there.tau - here.tau
        assert duration >= 1 / 96 - 1e-9
        jerk = (there.acceleration - here.acceleration) / duration
        assert abs(jerk) <= PEAK_JERK + 1e-6
        assert abs(there.acceleration) <= PEAK_ACCELERATION + 1e-9
        same = here.after(duration, jerk)
        assert (same.way, same.speed) == pytest.approx((there.way, there.speed), abs=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_a_stop_on_the_way_brakes_once_and_only_a_hold_lets_the_arm_go_on(arm, robot, share):
    home = np.array([*robot.home_position, robot.finger_open_m])
    controller, now_s = CubicController(home), 5.0
    sent, trajectory = arm.step(MOVE, reading(home[:7], stamp_s=now_s), now_s)
    goal = sent.target_position
    controller.follow(trajectory, now_s)
    now_s += share * 0.2
    state = reading(controller.at(now_s)[0][:7], stamp_s=now_s)
    signs = Signs.of_now(now_s, now_s)
    assert arm.watch(state, now_s, signs) is None, "nothing is the matter"
    assert arm.step(MOVE, state, now_s)[0].error == ArmError.BUSY
    arm.stop()
    sent, trajectory = arm.watch(state, now_s, signs)
    assert sent.error == ArmError.STOPPED and sent.action.kind == Kind.HOLD
    controller.follow(trajectory, now_s)
    rest = trajectory.positions[-1]
    assert 0.0 < np.abs(rest - home).max() < np.abs(goal - home).max()
    assert arm.watch(state, now_s + 0.01, signs) is None, "it is said once"
    now_s = controller.over_s + 0.01
    state = reading(rest[:7], float(rest[7]), now_s)
    arm.resume()
    sent, trajectory = arm.step(MOVE, state, now_s)
    assert sent.error == ArmError.STOPPED, "what was broken off is answered by a hold first"
    for kind in (Kind.HOLD, Kind.STEP):
        now_s += 0.2
        state = reading(rest[:7], float(rest[7]), now_s)
        sent, trajectory = arm.step(Action(kind), state, now_s)
        assert sent.error == ArmError.NONE
        np.testing.assert_allclose(sent.target_position[:7], rest[:7])


def test_a_motion_that_slows_down_already_is_left_to_it(arm, robot):
    state = reading(robot.home_position, stamp_s=5.0)
    sent, _ = arm.step(MOVE, state, 5.0)
    arm.stop()
    now_s = 5.0 + (SLOWS_FROM + 0.01) * 0.2
    again, trajectory = arm.watch(state, now_s, Signs.of_now(now_s, now_s))
    assert again.error == ArmError.STOPPED and not len(trajectory.times_s)
    np.testing.assert_array_equal(again.target_position, sent.target_position)


def test_effort_beyond_the_limit_makes_the_arm_give_way(robot):
    from dataclasses import replace

    import cell_robot

    from mtopt_control.arm.arm_core import ArmCore

    arm = ArmCore(replace(robot, max_effort=(50.0,) * 7), cell_robot.urdf())
    home = np.array(robot.home_position)
    arm.step(Action(Kind.HOLD), reading(home, stamp_s=1.0), 1.0)
    sagged = home + np.array([0.0, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0])
    state = reading(sagged, stamp_s=1.2)
    effort = np.array([0.0, 1.0, -51.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    sent, _ = arm.step(MOVE, replace(state, effort=effort), 1.2)
    assert sent.error == ArmError.EFFORT and "joint 2" in sent.error_msg
    np.testing.assert_allclose(sent.target_position[:7], sagged, atol=1e-9)
    state = replace(reading(sagged, stamp_s=1.4), effort=np.full(9, np.nan))
    assert arm.step(MOVE, state, 1.4)[0].error == ArmError.NONE, "none is reported"
