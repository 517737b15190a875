"""No action sequence leaves the limits; what cannot be done is a hold with a code."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np
import pytest
from cell_robot import ROBOT, reading, urdf
from hypothesis import given, settings
from hypothesis import strategies as st

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.clamp import SafetyClamp
from mtopt_control.arm.kinematics import ArmKinematics, read_urdf
from mtopt_control.arm.trajectory import largest_displacement, rest_to_rest
from mtopt_spec.action import CONTROL_PERIOD_S, Action, ArmError, Kind
from mtopt_spec.errors import InputError


@lru_cache(maxsize=1)
def kinematics() -> ArmKinematics:
    return ArmKinematics(
        urdf(), ROBOT.arm_joints, ROBOT.base_link, ROBOT.tool_link, ROBOT.bin_position_base_m
    )


def hermite(p0, v0, p1, v1, duration, s):
    """Position, velocity, acceleration, jerk of the cubic between two points at s in [0, 1]."""
    position = (
        (2 * s**3 - 3 * s**2 + 1) * p0
        + (s**3 - 2 * s**2 + s) * duration * v0
        + (-2 * s**3 + 3 * s**2) * p1
        + (s**3 - s**2) * duration * v1
    )
    velocity = (
        (6 * s**2 - 6 * s) * (p0 - p1) / duration
        + (3 * s**2 - 4 * s + 1) * v0
        + (3 * s**2 - 2 * s) * v1
    )
    acceleration = (12 * s - 6) * (p0 - p1) / duration**2 + (
        (6 * s - 4) * v0 + (6 * s - 2) * v1
    ) / duration
    jerk = 12 * (p0 - p1) / duration**3 + 6 * (v0 + v1) / duration**2
    return position, velocity, acceleration, jerk


def played(start, trajectory, samples=8):
    """What a controller with cubic Hermite interpolation makes of it, sample by sample."""
    p0, v0, t0 = start, np.zeros_like(start), 0.0
    for p1, v1, t1 in zip(trajectory.positions, trajectory.velocities, trajectory.times_s):
        for s in np.linspace(0.0, 1.0, samples):
            yield hermite(p0, v0, p1, v1, t1 - t0, s)
        p0, v0, t0 = p1, v1, t1


class Driven:
    """An arm that is given an action a control period, with a reading of then."""

    def __init__(self, arm):
        self.arm, self.tick = arm, 0

    def step(self, action, position, **values):
        self.tick += 1
        now_s = self.tick * CONTROL_PERIOD_S
        return self.arm.step(action, reading(position, stamp_s=now_s, **values), now_s)


@pytest.fixture
def driven(arm):
    return Driven(arm)


reach = st.floats(-0.06, 0.06)
steps = st.builds(
    Action,
    st.just(Kind.STEP),
    st.tuples(reach, reach, reach),
    st.floats(-0.3, 0.3),
    st.booleans(),
    st.just(False),
)
others = st.sampled_from(
    [
        Action(Kind.HOLD),
        Action(Kind.HOME, home_offset_m=(0.05, -0.05, 0.0)),
        Action(Kind.RETRACT, open=True),
        Action(terminate=True, translation_m=(0.05, 0.0, 0.0)),
        Action(translation_m=(float("nan"), 0.0, 0.0)),
        Action(translation_m=(0.0, 0.0, 9.0)),
        Action(close=True, open=True),
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(steps, steps, steps, others), min_size=1, max_size=12), st.data())
def test_no_sequence_leaves_the_limits(actions, data):
    robot = ROBOT
    arm, fk = ArmCore(robot, urdf()), kinematics()
    low, high = np.array(robot.workspace_low_m), np.array(robot.workspace_high_m)
    q, finger = np.array(robot.home_position), 0.05
    if data.draw(st.booleans()):  # from a corner of the workspace
        corner = np.where(data.draw(st.lists(st.booleans(), min_size=3, max_size=3)), low, high)
        corner = 0.8 * corner + 0.2 * fk.pose(q)[:3]
        q = fk.solve(np.array([*corner, 0.5]), q, iterations=60)
    inside = True
    for i, action in enumerate(actions):
        before = np.append(q, finger)
        state = reading(q, finger, i * CONTROL_PERIOD_S)
        sent, trajectory = arm.step(action, state, state.stamp_s)
        for position, velocity, acceleration, jerk in played(before, trajectory):
            assert np.all(position[:7] >= fk.position_low - 1e-9)
            assert np.all(position[:7] <= fk.position_high + 1e-9)
            assert np.all(np.abs(velocity[:7]) <= np.array(robot.max_velocity) + 1e-9)
            assert np.all(np.abs(acceleration[:7]) <= np.array(robot.max_acceleration) + 1e-9)
            assert np.all(np.abs(jerk[:7]) <= np.array(robot.max_jerk) * (1.0 + 1e-6))
            assert abs(velocity[7]) <= robot.finger_max_velocity + 1e-9
            tool = fk.pose(position[:7])[:3]
            assert tool[2] >= low[2] - 3e-3
            if inside and action.kind == Kind.STEP:
                assert np.all(tool >= low - 3e-3) and np.all(tool <= high + 3e-3)
        assert not trajectory.velocities[-1].any()
        assert trajectory.times_s[-1] == pytest.approx(CONTROL_PERIOD_S)
        np.testing.assert_array_equal(sent.target_position, trajectory.positions[-1])
        q, finger = sent.target_position[:7], float(sent.target_position[7])
        tool = fk.pose(q)[:3]
        inside = bool(np.all(tool >= low - 1e-4) and np.all(tool <= high + 1e-4))


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.16, 0.16), st.floats(-0.16, 0.4), st.floats(0.02, 0.29), st.floats(-1.4, 1.4))
def test_inverse_kinematics_round_trip(x, y, z, azimuth):
    q = kinematics().solve(
        np.array([x, y, z, azimuth]), np.array(ROBOT.home_position), iterations=60
    )
    np.testing.assert_allclose(kinematics().pose(q), [x, y, z, azimuth], atol=5e-5)
    assert kinematics().tilt_rad(q) < 1e-4


@pytest.mark.parametrize("kind", [Kind.HOME, Kind.RETRACT])
def test_home_and_retract_arrive_from_a_far_corner_without_sweeping_the_bin(driven, robot, kind):
    q = kinematics().solve(
        np.array([0.12, 0.33, 0.03, 1.2]), np.array(robot.home_position), iterations=60
    )
    start = kinematics().pose(q)
    steps_needed = 0
    while steps_needed < 25:
        steps_needed += 1
        sent, _ = driven.step(Action(kind, open=True), q)
        q = sent.target_position[:7]
        pose = kinematics().pose(q)
        if pose[2] < 0.12:
            assert np.abs(pose[:2] - start[:2]).max() < 0.02, "moved sideways among the objects"
        if sent.arrived:
            break
    assert sent.arrived and steps_needed > 3
    goal = robot.home_position if kind == Kind.HOME else robot.retract_position
    np.testing.assert_allclose(q, goal, atol=2e-3)


def test_no_way_to_a_posture_leads_below_the_floor(robot):
    clamp = SafetyClamp(robot, kinematics())
    q = np.array(robot.home_position)
    deep = kinematics().solve(np.array([0.0, 0.0, -0.2, 0.0]), q, iterations=60)
    for _ in range(20):
        motion = clamp.toward_posture(q, deep, 0.05)
        q = motion.end
    assert motion.error == ArmError.LIMITS
    assert robot.workspace_low_m[2] - 1e-3 <= kinematics().pose(q)[2] < 0.1


def test_the_displacement_that_was_sent_is_the_one_that_was_made(arm, robot):
    q = np.array(robot.home_position)
    before = kinematics().pose(q)
    sent, _ = arm.step(Action(translation_m=(0.06, 0.0, 0.0), close=True), reading(q), 0.0)
    after = kinematics().pose(sent.target_position[:7])
    assert sent.clamped and 0.02 < sent.action.translation_m[0] < 0.06 and sent.action.close
    np.testing.assert_allclose(after[:3] - before[:3], sent.action.translation_m, atol=1e-9)


@pytest.mark.parametrize(
    ("action", "word"),
    [
        (Action(translation_m=(float("nan"), 0.0, 0.0)), "finite"),
        (Action(azimuth_rad=float("inf")), "finite"),
        (Action(translation_m=(0.2, 0.0, 0.0)), "beyond"),
        (Action(azimuth_rad=1.0), "beyond"),
        (Action(close=True, open=True), "together"),
    ],
)
def test_an_action_that_may_not_be_done_is_a_hold_with_a_code(arm, robot, action, word):
    sent, trajectory = arm.step(action, reading(robot.home_position), 0.0)
    assert sent.error == ArmError.INVALID_ACTION and word in sent.error_msg
    assert sent.action.kind == Kind.HOLD and not arm.gripper_closed
    np.testing.assert_array_equal(
        trajectory.positions, np.tile([*robot.home_position, 0.05], (7, 1))
    )


def test_stale_state_holds_and_a_first_stale_state_moves_nothing(arm, robot):
    move = Action(translation_m=(0.0, 0.03, 0.0))
    sent, trajectory = arm.step(move, reading(robot.home_position), 10.0)
    assert sent.error == ArmError.STALE_STATE and len(trajectory.positions) == 0
    arm.step(move, reading(robot.home_position, stamp_s=10.0), 10.0)
    sent, trajectory = arm.step(move, reading(robot.home_position, stamp_s=10.0), 20.0)
    assert sent.error == ArmError.STALE_STATE and not trajectory.velocities.any()
    broken = reading([float("nan")] * 7, stamp_s=30.0)
    assert arm.step(move, broken, 30.0)[0].error == ArmError.STALE_STATE


def test_stop_holds_until_resume_which_counts_from_where_the_arm_is(driven, robot):
    move = Action(translation_m=(0.0, 0.03, 0.0))
    driven.step(Action(), robot.home_position)
    driven.arm.stop()
    sent, trajectory = driven.step(move, robot.home_position)
    assert sent.error == ArmError.STOPPED and not trajectory.velocities.any()
    driven.arm.resume()
    moved_by_hand = np.array(robot.home_position) + 0.3
    sent, trajectory = driven.step(Action(Kind.HOLD), moved_by_hand)
    assert sent.error == ArmError.NONE
    np.testing.assert_allclose(sent.target_position[:7], moved_by_hand)


@pytest.mark.parametrize("why", ["stopped", "old reading"])
def test_a_held_arm_that_was_moved_by_hand_is_not_pulled_back(driven, robot, why):
    home, arm = np.array(robot.home_position), driven.arm
    driven.step(Action(), home)
    moved, now_s = home + 0.3, 2.0
    stamp_s = now_s if why == "stopped" else now_s - 0.5
    if why == "stopped":
        arm.stop()
    sent, trajectory = arm.step(Action(Kind.HOLD), reading(moved, stamp_s=stamp_s), now_s)
    expected = ArmError.STOPPED if why == "stopped" else ArmError.STALE_STATE
    assert sent.error == expected and not len(trajectory.times_s)
    now_s += 0.2
    sent, trajectory = arm.step(Action(Kind.HOLD), reading(moved, stamp_s=now_s), now_s)
    assert len(trajectory.times_s) and not (trajectory.positions[:, :7] - moved).any()


@pytest.fixture
def free(robot):
    """An arm of a robot whose time runs freely, at home, after a first motion."""
    arm = ArmCore(robot, urdf(), time_waits=False)
    for now_s in (10.0, 10.2):
        sent, _ = arm.step(Action(), reading(robot.home_position, stamp_s=now_s), now_s)
        assert sent.error == ArmError.NONE
    return arm


def test_at_rest_an_arm_whose_time_runs_freely_holds_by_itself(free, robot):
    free.stop()
    pushed, now_s = np.array(robot.home_position) + 0.15, 10.4
    for _ in range(3):
        sent, trajectory = free.step(Action(Kind.HOLD), reading(pushed, stamp_s=now_s), now_s)
        assert sent.error == ArmError.STOPPED and not len(trajectory.times_s)
        now_s += 0.2
    free.resume()
    sent, trajectory = free.step(Action(Kind.HOLD), reading(pushed, stamp_s=now_s), now_s)
    np.testing.assert_allclose(trajectory.positions[:, :7], [pushed] * len(trajectory.positions))


@pytest.mark.parametrize("how", ["its driver was started again", "nobody asked for a while"])
def test_an_arm_that_was_moved_meanwhile_goes_on_from_where_it_rests(free, robot, how):
    moved, now_s = np.array(robot.home_position) + [1.2, 0, 0, 0, 0, 0, 0], 10.4
    if how == "its driver was started again":
        for now_s in np.arange(10.6, 15.0, 0.2):
            old = reading(robot.home_position, stamp_s=10.2)
            sent, trajectory = free.step(Action(Kind.HOLD), old, now_s)
            assert sent.error == ArmError.STALE_STATE and not len(trajectory.times_s)
    now_s += 0.5
    sent, trajectory = free.step(Action(Kind.HOLD), reading(moved, stamp_s=now_s), now_s)
    assert sent.error == ArmError.NONE
    np.testing.assert_allclose(trajectory.positions[:, :7], [moved] * len(trajectory.positions))


def test_a_reading_in_degrees_is_no_start(robot):
    arm = ArmCore(robot, urdf())
    degrees = np.degrees(robot.home_position)
    sent, trajectory = arm.step(Action(Kind.HOLD), reading(degrees), 0.0)
    assert sent.error == ArmError.STALE_STATE and not len(trajectory.times_s)
    assert "does its driver publish radians?" in sent.error_msg


def test_an_arm_that_is_held_back_gives_way(driven, robot):
    home = np.array(robot.home_position)
    driven.step(Action(Kind.HOLD), home)
    pushed = home + np.array([0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0])
    sent, _ = driven.step(Action(translation_m=(0.0, 0.0, -0.05)), pushed)
    assert sent.error == ArmError.TRACKING and sent.action.kind == Kind.HOLD
    assert home[3] < sent.target_position[3] <= pushed[3]
    sent, _ = driven.step(Action(Kind.HOLD), pushed)
    assert sent.error == ArmError.NONE


def test_outside_the_workspace_only_the_way_back_is_open(arm, robot):
    outside = np.array(robot.retract_position)
    x = kinematics().pose(outside)[0]
    assert x < robot.workspace_low_m[0]
    sent, _ = arm.step(Action(translation_m=(-0.05, 0.0, 0.0)), reading(outside), 0.0)
    assert sent.error in (ArmError.LIMITS, ArmError.NO_SOLUTION)
    assert kinematics().pose(sent.target_position[:7])[0] >= x - 1e-4


def test_the_gripper_keeps_its_last_command(driven, robot):
    home, arm = robot.home_position, driven.arm
    driven.step(Action(close=True), home)
    assert arm.gripper_closed
    for action in (Action(), Action(Kind.HOME), Action(terminate=True, open=True)):
        sent, _ = driven.step(action, home)
        assert arm.gripper_closed
    assert sent.target_position[7] == pytest.approx(0.0)
    sent, _ = driven.step(Action(Kind.HOLD, open=True), home)
    assert not arm.gripper_closed and sent.target_position[7] > 0.0


def test_fingers_stay_as_they_are_until_somebody_asks(arm, robot):
    for tick, action in enumerate((Action(Kind.HOLD), Action(translation_m=(0.0, 0.01, 0.0)))):
        now_s = tick * CONTROL_PERIOD_S
        state = reading(robot.home_position, finger_m=0.02, stamp_s=now_s)
        sent, trajectory = arm.step(action, state, now_s)
        assert sent.error == ArmError.NONE and arm.gripper_command is None
        np.testing.assert_allclose(trajectory.positions[:, 7], 0.02)
    now_s += CONTROL_PERIOD_S
    state = reading(robot.home_position, finger_m=0.02, stamp_s=now_s)
    arm.step(Action(Kind.HOLD, open=True), state, now_s)
    assert arm.gripper_command is False


def test_a_trajectory_is_at_rest_at_both_ends_and_as_fast_as_the_limits_let():
    velocity, acceleration = np.array([1.0, 9.0, 9.0]), np.array([90.0, 9.0, 90.0])
    jerk = np.array([9000.0, 9000.0, 900.0])
    limit = largest_displacement(velocity, acceleration, jerk, 0.2)
    trajectory = rest_to_rest(("a", "b", "c"), np.zeros(3), limit, 0.2)
    made = list(played(np.zeros(3), trajectory))
    peaks = [np.max([np.abs(sample[i]) for sample in made], axis=0) for i in (1, 2, 3)]
    assert peaks[0][0] == pytest.approx(velocity[0])
    assert peaks[1][1] == pytest.approx(acceleration[1], rel=1e-5)
    assert peaks[2][2] == pytest.approx(jerk[2], rel=1e-5)
    assert not trajectory.velocities[-1].any()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"arm_joints": ("a_1", *ROBOT.arm_joints[1:])}, "a_1"),
        ({"tool_link": "flange"}, "flange"),
        ({"finger_joint": "thumb"}, "thumb"),
        ({"max_velocity": (99.0,) * 7}, "max_velocity"),
        ({"retract_position": (9.0,) * 7}, "retract_position.*iiwa_joint_1 at 9.000 rad"),
        ({"home_position": (0.0, 1.9, 0.0, -1.2, 0.0, 0.0, 0.0)}, "home_position.*tool at"),
    ],
)
def test_a_robot_file_that_contradicts_the_urdf_stops_the_start(robot, change, word):
    with pytest.raises(InputError, match=word):
        ArmCore(replace(robot, **change), urdf())


def test_a_continuous_joint_is_refused_by_its_name():
    text = urdf().replace('"iiwa_joint_7" type="revolute"', '"iiwa_joint_7" type="continuous"')
    assert text != urdf()
    with pytest.raises(InputError, match=r"\['iiwa_joint_7'\] of type continuous"):
        ArmCore(ROBOT, text)


def test_a_broken_description_is_an_error_that_names_the_file(tmp_path):
    for name, text in (("a.urdf", "<robot"), ("b.xacro", "<robot name='x'>${1/0}</robot>")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError):
            ArmCore(ROBOT, read_urdf(tmp_path / name))
    with pytest.raises(InputError, match="no file"):
        read_urdf(tmp_path / "c.urdf")


def test_a_joint_state_without_a_joint_is_an_error(arm, robot):
    state = reading(robot.home_position)
    with pytest.raises(InputError, match="iiwa_joint_3"):
        arm.step(Action(), replace(state, names=("x",) * 3 + ("y",) * 6), 0.0)


def test_poses_do_not_depend_on_where_the_base_stands():
    turned = urdf().replace(
        "</robot>",
        '<link name="floor"/><joint name="stands" type="fixed"><parent link="floor"/>'
        f'<child link="{root_link(urdf())}"/><origin xyz="1 2 3" rpy="0.3 -0.2 1.0"/></joint>'
        "</robot>",
    )
    arm = ArmKinematics(
        turned, ROBOT.arm_joints, ROBOT.base_link, ROBOT.tool_link, ROBOT.bin_position_base_m
    )
    q = np.array(ROBOT.home_position) + np.linspace(-0.2, 0.2, 7)
    np.testing.assert_allclose(arm.pose(q), kinematics().pose(q), atol=1e-12)
    assert abs(arm.tilt_rad(q) - kinematics().tilt_rad(q)) < 1e-7
    goal = kinematics().pose(np.array(ROBOT.home_position))
    np.testing.assert_allclose(arm.solve(goal, q), kinematics().solve(goal, q), atol=1e-9)


def root_link(text: str) -> str:
    """The link of a URDF that is no joint's child."""
    robot = ElementTree.fromstring(text)
    children = {joint.find("child").get("link") for joint in robot.findall("joint")}
    return next(
        link.get("name") for link in robot.findall("link") if link.get("name") not in children
    )


@pytest.mark.parametrize("hinge_rad", [0.2, float("nan")])
def test_there_is_no_way_into_a_bin_that_is_not_known_to_be_level(arm, hinge_rad):
    state = reading(ROBOT.home_position, hinge_rad=hinge_rad)
    sent, _ = arm.step(Action(translation_m=(0.02, 0.0, 0.0)), state, 0.0)
    assert sent.error == ArmError.LIMITS and "tilted" in sent.error_msg
    sent, _ = arm.step(Action(Kind.RETRACT), replace(state, stamp_s=0.2), 0.2)
    assert sent.error == ArmError.NONE
