"""What is packed by hand is what ROS itself would have serialised."""

import math

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from mtopt_control.recorder.cdr_fields import with_stamp
from mtopt_control.recorder.cdr_packing import CdrPacker
from mtopt_spec import ros_messages as ros
from mtopt_spec.action import Action, ArmError, Kind, SentAction
from mtopt_spec.episode import JointState
from mtopt_spec.observation import Observation

STAMP_S = 12.3
STEP = Action(Kind.STEP, (0.01, -0.06, 1 / 3), -0.3, close=True)
HOME = Action(Kind.HOME, home_offset_m=(0.05, -0.05, 0.0), open=True)
BROKEN = Action(Kind.STEP, (math.inf, 0.0, -math.inf), math.nan, terminate=True)
SENT = SentAction(STEP, True, np.arange(8) / 7)
HELD = SentAction(HOME, False, np.full(3, -1.5), True, ArmError.LIMITS, "tool is outside – ü")
NOWHERE = SentAction(BROKEN, False, np.empty(0), error=ArmError.INVALID_ACTION, error_msg="not")


def same(cdr, message):
    """Equal field by field (NaN too), and as long: only the gaps between fields may differ."""
    ros_cdr = serialize_message(message)
    packed, by_ros = (deserialize_message(each, type(message)) for each in (cdr, ros_cdr))
    assert repr(packed) == repr(by_ros)
    assert len(cdr) == len(ros_cdr)


# names of every length modulo 8, so that whatever follows them is aligned each way
@pytest.fixture(params=range(8))
def names(request):
    return "r" * (1 + request.param), "episode" + "-" * (request.param * 3 % 8)


@pytest.fixture
def packer(names):
    return CdrPacker(*names)


@pytest.fixture
def about(names):
    robot, episode_id = names
    header = ros.to_header(STAMP_S, f"{robot}/bin")
    return {"header": header, "episode_id": episode_id, "step_index": 513}


@pytest.mark.parametrize("action", [STEP, HOME, BROKEN])
def test_an_action_as_commanded(packer, about, action):
    cdr = packer.action_commanded(ros.stamp_ns(STAMP_S), 513, action)
    same(cdr, ros.to_action_commanded(action, **about))


@pytest.mark.parametrize("sent", [SENT, HELD, NOWHERE])
def test_an_action_as_sent(packer, about, sent):
    cdr = packer.action_sent(ros.stamp_ns(STAMP_S), 513, sent)
    same(cdr, ros.to_action_sent(sent, **about))


def test_a_tool_state(packer, names):
    observation = Observation(STAMP_S, {}, True, 0.1, (0.1, -0.2, 1e-9, -math.pi))
    message = ros.to_tool_state(observation, frame_id=f"{names[0]}/bin")
    same(packer.tool_state(ros.stamp_ns(STAMP_S), observation), message)


@pytest.mark.parametrize("camera", ["wrist", "shoulder"])
def test_a_picture(packer, names, camera):
    frame_id = f"{names[0]}/{camera}"
    for jpeg in (b"\xff\xd8\x00", b""):
        message = ros.to_compressed_image(jpeg, stamp_s=STAMP_S, frame_id=frame_id)
        same(packer.compressed_image(ros.stamp_ns(STAMP_S), camera, jpeg), message)


def test_joint_states(packer):
    values = np.arange(3) / 7
    for joints in (("a", "bc", "d"), ("abcdefg", "h", "ij")):
        state = JointState(STAMP_S, joints, values, -values, values[::-1])
        same(packer.joint_state(ros.stamp_ns(STAMP_S), state), ros.to_joint_state(state))


def test_a_joint_state_that_lacks_a_number_is_refused(packer):
    with pytest.raises(ValueError, match="2 effort, 3 names"):
        packer.joint_state(0, JointState(0.0, ("a", "b", "c"), *np.zeros((2, 3)), np.zeros(2)))


def test_another_stamp_changes_nothing_else():
    early = ros.to_tool_state(
        Observation(1.0, {}, False, 0.1, (0.1, 0.2, 0.3, 0.4)), frame_id="bin"
    )
    later = ros.to_tool_state(
        Observation(STAMP_S, {}, False, 0.1, (0.1, 0.2, 0.3, 0.4)), frame_id="bin"
    )
    same(with_stamp(serialize_message(early), ros.stamp_ns(STAMP_S)), later)
