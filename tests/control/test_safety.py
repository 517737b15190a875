"""No sequence of actions, stamps and joint states makes a command outside the limits.

As often as the profile says: `fast` here, `safety` for 100,000 cases (docs/safety.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from cell_robot import ROBOT, reading, urdf
from cubic_controller import CubicController
from hypothesis import given
from hypothesis import strategies as st

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.bin_shapes import BinShapes
from mtopt_control.arm.clamp import PATH_SLACK_M, TOUCH_M
from mtopt_control.arm.kinematics import ArmKinematics
from mtopt_control.arm.signs import Signs
from mtopt_spec.action import Action, ArmError, Kind

GUARDED = replace(ROBOT, max_effort=(100.0,) * 7, max_state_age_s=0.1)
AGES = {"max_heartbeat_age_s": 0.3, "max_camera_age_s": 0.3, "max_observation_age_s": 0.3}
STOPS_WITHIN_S = 0.2 * 5 / 12 + 1e-6
LIMITS = (
    np.array([*ROBOT.max_velocity, ROBOT.finger_max_velocity]),
    np.array([*ROBOT.max_acceleration, np.inf]),
    np.array([*ROBOT.max_jerk, np.inf]),
)
LOW, HIGH = np.array(ROBOT.workspace_low_m), np.array(ROBOT.workspace_high_m)


@lru_cache(maxsize=1)
def kinematics() -> ArmKinematics:
    return ArmKinematics(
        urdf(), ROBOT.arm_joints, ROBOT.base_link, ROBOT.tool_link, ROBOT.bin_position_base_m
    )


@lru_cache(maxsize=1)
def shapes() -> BinShapes:
    return BinShapes(ROBOT)


@lru_cache(maxsize=1)
def starts() -> tuple[np.ndarray, ...]:
    """Postures: home, retract, and over corners and floor of the workspace."""
    found = [np.array(ROBOT.home_position), np.array(ROBOT.retract_position)]
    for x, y, z in ((0.1, 0.1, 0.03), (-0.15, -0.15, 0.02), (0.16, 0.39, 0.02), (0.0, -0.16, 0.1)):
        q = kinematics().solve(np.array([x, y, z, 0.7]), found[0], iterations=60)
        found += [] if q is None else [q]
    return tuple(found)


@dataclass(frozen=True)
class Event:
    """What happens next: time passes, signs come or do not, and the arm is asked for something."""

    after_s: float
    what: str
    action: Action
    flaw: str
    number: float


numbers = st.sampled_from([0.0, 0.06, -0.06, 0.03, 1.0, float("nan"), float("inf"), -1e30])
small = st.floats(-0.06, 0.06)
moves = st.builds(
    Action,
    st.just(Kind.STEP),
    st.tuples(small, small, small),
    st.floats(-0.3, 0.3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
far = st.builds(
    lambda signs, turn: Action(translation_m=tuple(0.06 * s for s in signs), azimuth_rad=turn),
    st.tuples(*[st.sampled_from([-1.0, 0.0, 1.0])] * 3),
    st.sampled_from([-0.3, 0.0, 0.3]),
)
odd = st.builds(
    lambda x, y, z, turn: Action(translation_m=(x, y, z), azimuth_rad=turn),
    *[numbers] * 4,
)
others = st.builds(
    Action,
    st.sampled_from([Kind.HOLD, Kind.HOME, Kind.RETRACT]),
    open=st.booleans(),
    home_offset_m=st.tuples(small, small, st.just(0.0)),
)
FLAWS = ("", "", "", "", "late", "nan", "inf", "jump", "gone", "effort", "silent", "blind", "old",
         "tilted", "moving")  # fmt: skip
events = st.builds(
    Event,
    st.one_of(st.sampled_from([0.2, 0.2, 0.2, 0.0, 0.1, -1.0]), st.floats(0.0, 0.45)),
    st.sampled_from(["step"] * 6 + ["watch"] * 3 + ["stop", "resume"]),
    st.one_of(far, moves, others, odd),
    st.sampled_from(FLAWS),
    st.floats(-2.0, 2.0),
)


def signs_at(event: Event, controller: CubicController, now_s: float):
    """The reading and the signs of life that the event gives, with its flaw."""
    position, velocity, _, _ = controller.at(now_s)
    state = reading(position[:7], float(position[7]), now_s)
    flaw, number = event.flaw, event.number
    values = np.array(state.position)
    if flaw == "nan":
        values[3] = np.nan
    elif flaw == "inf":
        values[5] = np.inf
    elif flaw == "jump":
        values[1:8] += number
    elif flaw == "tilted":
        values[0] = number
    effort = np.zeros(9) + 150.0 * (flaw == "effort")
    speeds = np.concatenate(([0.0], velocity)) + (flaw == "moving")
    state = replace(state, position=values, effort=effort, velocity=speeds)
    signs = Signs(
        now_s - (abs(number) if flaw == "late" else 0.0),
        now_s - (abs(number) if flaw == "silent" else 0.0),
        now_s - (abs(number) if flaw == "blind" else 0.0),
        now_s - (abs(number) if flaw == "old" else 0.0),
    )
    if flaw == "gone":
        signs = Signs(*[-np.inf] * 4)
    return replace(state, stamp_s=signs.joint_state_s), signs


def is_hazard(event: Event, signs: Signs, now_s: float, answers: bool) -> bool:
    """Whether the signs forbid to move; written anew, not asked of the code."""
    old = [now_s - signs.joint_state_s > 0.100001, now_s - signs.heartbeat_s > 0.300001]
    old += [now_s - signs.camera_s > 0.300001]
    if answers:
        old += [now_s - signs.observation_s > 0.300001]
    return any(old) or event.flaw in ("nan", "inf", "effort")


def check(controller: CubicController, acceleration, action: Action, inside: bool):
    """The active trajectory, densely sampled, against every limit."""
    stretches = controller.samples()
    fk = kinematics()
    position, *derivatives = (stretches[:, i].reshape(-1, 8) for i in range(4))
    start = position[0]
    arm = position[:, :7]
    assert np.all(arm >= np.minimum(fk.position_low, start[:7]) - 1e-8)
    assert np.all(arm <= np.maximum(fk.position_high, start[:7]) + 1e-8)
    finger = position[:, 7]
    bounds = (ROBOT.finger_closed_m, ROBOT.finger_open_m, start[7])
    assert np.all(finger >= min(bounds) - 1e-9) and np.all(finger <= max(bounds) + 1e-9)
    for value, limit in zip(derivatives, LIMITS):
        assert np.all(np.abs(value) <= limit * (1.0 + 1e-5) + 1e-6)
    # No step of the acceleration: not where the trajectory begins, not between, not at its end.
    before = np.concatenate([acceleration[None], stretches[:, 2, -1]])[:, :7]
    after = np.concatenate([stretches[:, 2, 0], np.zeros((1, 8))])[:, :7]
    assert np.all(np.abs(before - after) <= 0.01)
    assert not stretches[-1, 1, -1].round(9).any()
    postures = arm[:: len(arm) // 12]
    tools = [fk.tool(q) for q in postures]
    rotations, places = np.stack([t[0] for t in tools]), np.stack([t[1] for t in tools])
    floor_m = min(LOW[2] - PATH_SLACK_M, places[0, 2])
    assert np.all(places[:, 2] >= floor_m - 5e-4)
    if inside and action.kind == Kind.STEP:
        assert np.all(places >= LOW - PATH_SLACK_M - 5e-4)
        assert np.all(places <= HIGH + PATH_SLACK_M + 5e-4)
    if np.ptp(arm, axis=0).any():
        widest = float(finger.max())
        met = shapes().depth_m(rotations[:1], places[:1], widest)
        allowed = TOUCH_M + 5e-4 if met <= TOUCH_M else met + 5e-3  # beyond: it may bow more
        assert shapes().depth_m(rotations, places, widest) <= allowed


@given(st.integers(0, 5), st.booleans(), st.lists(events, min_size=1, max_size=9))
def test_no_sequence_makes_a_command_outside_the_limits(first, time_waits, sequence):
    arm = ArmCore(GUARDED, urdf(), time_waits=time_waits, **AGES)
    q = starts()[first % len(starts())]
    controller = CubicController(np.append(q, ROBOT.finger_open_m))
    now_s, answers = 10.0, False
    stopped, newest_s = False, now_s
    for event in sequence:
        now_s += event.after_s
        if event.after_s < 0.0:  # time goes back: whatever moved has long come to rest
            controller.hold(controller.at(np.inf)[0], now_s)
        state, signs = signs_at(event, controller, now_s)
        if event.what in ("stop", "resume"):
            stopped = event.what == "stop"
            arm.stop() if stopped else arm.resume()
        action = event.action
        moving = now_s < controller.over_s - 1e-6
        if event.what == "step":
            answers_now = answers if moving else action.kind == Kind.STEP
            anew = now_s < newest_s or (arm.counts_anew(now_s) and not moving)
            newest_s = now_s
            answer = arm.step(action, state, now_s, signs)
        else:
            answers_now, anew = answers, False
            newest_s = now_s
            answer = arm.watch(state, now_s, signs)
        hazard = stopped or is_hazard(event, signs, now_s, answers_now)
        sent, trajectory = answer or (None, None)
        if trajectory is not None and len(trajectory.times_s):
            assert not moving or hazard, "only a stop comes in between"
            assert np.isfinite(trajectory.positions).all()
            if anew:  # it counts from the reading, wherever that says the arm is
                measured = np.append(state.position[1:8], controller.at(now_s)[0][7])
                assert np.isfinite(measured).all()
                controller.hold(measured, now_s)
            acceleration = controller.at(now_s)[2]
            tool = kinematics().pose(controller.at(now_s)[0][:7])[:3]
            inside = bool(np.all(tool >= LOW - 1e-3) and np.all(tool <= HIGH + 1e-3))
            controller.follow(trajectory, now_s)
            check(controller, acceleration, action, inside and not moving)
            np.testing.assert_array_equal(sent.target_position, trajectory.positions[-1])
            answers = answers if moving else sent.action.kind == Kind.STEP
            if hazard and not moving and sent.error != ArmError.EFFORT:
                assert not trajectory.velocities.any(), "it holds"
        if hazard and (moving or event.what == "step"):
            rest_s = STOPS_WITHIN_S if moving else 0.2 + 1e-6
            assert controller.over_s - now_s <= rest_s, "it is at rest soon"
            assert sent is None or sent.error != ArmError.NONE
