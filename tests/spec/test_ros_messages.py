"""Every dataclass of the cell survives the way over the wire."""

import dataclasses
import math

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from mtopt_msgs.msg import ActionCommanded, ActionSent
from mtopt_msgs.msg import EpisodeEnd as EpisodeEndMessage
from mtopt_msgs.srv import AssignTask
from mtopt_spec import ros_messages as ros
from mtopt_spec.action import Action, ArmError, Kind, SentAction
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd, JointState
from mtopt_spec.errors import InputError
from mtopt_spec.goal import KINDS, Goal, GoalTruth
from mtopt_spec.interfaces import (
    Assignment,
    EndReason,
    EpisodeReport,
    Fault,
    PolicyAnswer,
    PolicyRequest,
    TaskLabel,
    TaskRequest,
)
from mtopt_spec.observation import Observation

STAMP_S = 1234.2000000001
OBSERVATION = Observation(
    1234.2, {"shoulder": b"\xff\xd8a", "wrist": b"\xff\xd8b"}, True, 0.0625, (0.1, -0.2, 0.3, -1.5)
)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def assert_same(got, want):
    """Field by field: floats to 1e-6 (messages hold some as float32), the rest exactly."""
    if dataclasses.is_dataclass(want):
        for field in dataclasses.fields(want):
            assert_same(getattr(got, field.name), getattr(want, field.name))
    elif isinstance(want, (float, np.ndarray)):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
    elif isinstance(want, tuple):
        assert len(got) == len(want)
        for a, b in zip(got, want):
            assert_same(a, b)
    else:
        assert got == want


SHOWN = {"shoulder": b"\xff\xd8c", "wrist": b"\xff\xd8d"}
GOAL = Goal(SHOWN, True, GoalTruth("place", "can", (0.1, -0.2, 0.3), "top_left"))
HEADER = ros.to_header(1234.2, "robot_1/bin")
PLACE = {"header": HEADER, "episode_id": "run-robot_1-7", "step_index": 3}
LABELS = (TaskLabel("lift-any", True, 0.75, "simulator"), TaskLabel("place-any", False, 0.0, "x"))


@pytest.mark.parametrize(
    "value, to, back",
    [
        (
            Action(Kind.STEP, (0.01, -0.02, 0.03), -0.25, close=True, terminate=True),
            lambda a: ros.to_action_commanded(a, **PLACE),
            ros.from_action_commanded,
        ),
        (
            Action(Kind.HOME, home_offset_m=(0.05, -0.04, 0.0), open=True),
            lambda a: ros.to_action_commanded(a, **PLACE),
            ros.from_action_commanded,
        ),
        (
            SentAction(Action(Kind.HOLD), True, np.arange(8.0), False, ArmError.LIMITS, "far out"),
            lambda s: ros.to_action_sent(s, **PLACE),
            ros.from_action_sent,
        ),
        (
            JointState(1234.25, ("a", "b"), np.array([1.0, 2.0]), np.zeros(2), np.ones(2)),
            ros.to_joint_state,
            ros.from_joint_state,
        ),
        (
            PolicyRequest(
                "robot_1", "run-robot_1-7", 3, 2**63, "lift-any", "qfunction", OBSERVATION
            ),
            ros.to_choose_request,
            ros.from_choose_request,
        ),
        (
            TaskRequest(1234.2, "robot_2", 8, True, EpisodeReport("lift-any", "p", True)),
            ros.to_assign_request,
            ros.from_assign_request,
        ),
        (
            TaskRequest(
                1.0, "robot_2", 8, False, EpisodeReport("t", "p", False, Fault.ARM, "it hit a wall")
            ),
            ros.to_assign_request,
            ros.from_assign_request,
        ),
        (
            TaskRequest(0.0, "robot_2", 0, False, None, ("can", "box")),
            ros.to_assign_request,
            ros.from_assign_request,
        ),
        (
            Assignment("t", "p", True, False, 2**62),
            ros.to_assign_response,
            ros.from_assign_response,
        ),
        (
            Assignment("reach-goal", "p", True, False, 1, GOAL),
            ros.to_assign_response,
            ros.from_assign_response,
        ),
        (GOAL, ros.to_goal, ros.from_goal),
        (dataclasses.replace(GOAL, truth=None), ros.to_goal, ros.from_goal),
        (None, ros.to_goal, ros.from_goal),
        (
            PolicyRequest(
                "r", "e", 3, 1, "reach-goal", "p", OBSERVATION, Goal({"wrist": b"\xff\xd8c"})
            ),
            ros.to_choose_request,
            ros.from_choose_request,
        ),
        (
            EpisodeBegin(1.2, "robot_1", "e", 4, 5, "t", "p", "c", 0.2, ("shoulder", "wrist")),
            ros.to_episode_begin,
            ros.from_episode_begin,
        ),
        (
            EpisodeEnd(
                3.4, "e", EndReason.FAULT, Fault.POLICY, "why", 9, True, 0.5, "s", LABELS, 1, 2
            ),
            lambda e: ros.to_episode_end(e, robot="robot_1"),
            ros.from_episode_end,
        ),
    ],
)
def test_round_trip(value, to, back):
    assert_same(back(over_the_wire(to(value))), value)


def test_the_truth_of_a_goal_is_not_told_to_a_policy_and_its_kinds_are_the_messages():
    asked = ros.to_choose_request(PolicyRequest("r", "e", 3, 1, "t", "p", OBSERVATION, GOAL))
    assert not asked.goal.has_truth and not asked.goal.object
    asked.goal.has_truth, asked.goal.kind = True, "juggle"
    assert ros.from_choose_request(asked).goal == dataclasses.replace(GOAL, truth=None)
    message = ros.to_goal(GOAL)
    assert KINDS == (message.KIND_GRASP, message.KIND_PLACE, message.KIND_REARRANGE)
    message.kind = "juggle"
    with pytest.raises(InputError, match="juggle"):
        ros.from_goal(message)
    with pytest.raises(InputError, match="juggle"):
        ros.from_assign_response(AssignTask.Response(goal=message))


@pytest.mark.parametrize(
    "names", (["wrist"], ["wrist", "wrist"], ["a", "b", "c"], ["wrist", "wrist", "shoulder"], [])
)
def test_a_goal_has_one_picture_a_camera(names):
    message = ros.to_goal(GOAL)
    message.camera_names = names
    for read in (ros.from_goal, ros.from_goal_pictures):
        with pytest.raises(InputError, match="each camera once"):
            read(message)
    with pytest.raises(InputError, match="a picture of one camera or more"):
        Goal({"shoulder": b""})


def test_each_goal_picture_is_in_the_frame_of_its_camera():
    images = ros.to_goal_images(GOAL, 12.5, "robot_2")
    assert {camera: bytes(image.data) for camera, image in images.items()} == SHOWN
    for camera, image in images.items():
        assert image.header == ros.to_header(12.5, f"robot_2/{camera}")


def test_no_assignment_means_finished():
    assert ros.to_assign_response(None).finished
    assert ros.from_assign_response(over_the_wire(ros.to_assign_response(None))) is None


def test_nan_stays_nan_so_that_the_clamp_can_refuse_it():
    sent = over_the_wire(ros.to_action_commanded(Action(azimuth_rad=math.nan), **PLACE))
    assert math.isnan(ros.from_action_commanded(sent).azimuth_rad)


def test_answer_keeps_stamp_and_frame_of_the_observation():
    request = ros.to_choose_request(PolicyRequest("robot_1", "e", 3, 1, "t", "p", OBSERVATION))
    response = over_the_wire(ros.to_choose_response(PolicyAnswer(Action(), 0.5, "c"), request))
    assert response.action.header == request.header
    assert ros.from_choose_response(response).q_value == 0.5


def test_stamps_survive_to_the_nanosecond():
    assert ros.from_time(ros.to_time(STAMP_S)) == pytest.approx(STAMP_S, abs=1e-9)
    assert ros.stamp_ns(0.2 * 3) == 600_000_000


def test_trajectory_round_trip():
    positions, times = np.arange(16.0).reshape(2, 8), np.array([0.1, 0.2])
    message = over_the_wire(
        ros.to_joint_trajectory([f"j{i}" for i in range(8)], positions, positions / 2, times)
    )
    names, got, velocities, got_times = ros.from_joint_trajectory(message)
    assert names[7] == "j7"
    np.testing.assert_array_equal(got, positions)
    np.testing.assert_array_equal(velocities, positions / 2)
    np.testing.assert_allclose(got_times, times)
    message.points[1].positions = [0.0] * 7
    with pytest.raises(InputError, match=r"got \[7, 8\] in a point, expected 8"):
        ros.from_joint_trajectory(message)


@pytest.mark.parametrize(
    "enum, message, prefix",
    [
        (Kind, ActionCommanded, "KIND_"),
        (ArmError, ActionSent, "ERROR_"),
        (EndReason, EpisodeEndMessage, "REASON_"),
        (Fault, EpisodeEndMessage, "FAULT_"),
    ],
)
def test_enums_equal_the_messages_constants(enum, message, prefix):
    wire = {
        name[len(prefix) :]: getattr(message, name)
        for name in dir(type(message))
        if name.startswith(prefix)
    }
    assert wire == {member.name: member.value for member in enum}
