"""A stream that does not conform is found: real messages of a station, each with one flaw."""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from mtopt_bringup.conformance import seen, streams
from mtopt_bringup.conformance.backend import MUJOCO
from mtopt_bringup.conformance.check import Nonconformity
from mtopt_bringup.conformance.client_node import CAMERAS, Client
from mtopt_bringup.conformance.motion import Rehearsal, check_repeats
from mtopt_sim.ros_camera_info import to_camera_info
from mtopt_sim.ros_truth import to_scene_truth
from mtopt_sim.simulator_node import _image_message
from mtopt_sim.station import Station
from mtopt_spec import ros_messages
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder

WORLD = share_dir() / "worlds/one_station.sdf"


@pytest.fixture(scope="module")
def station():
    station = Station(WORLD)
    station.reset(seen.SCENE_SEED, objects=["carrot"])
    return station


@pytest.fixture
def client(station):
    """The suite's client with what a robot hears in three ticks; no ROS graph."""
    from rosgraph_msgs.msg import Clock

    client = Client.__new__(Client)
    client.backend, client.world, client.robot = MUJOCO, WORLD, "robot_1"
    client.config = load_robot(worlds_robot_folder())
    client.joint_names = station.joint_names
    client.heard = {key: deque() for key in ("joint_states", "clock", "truth")}
    client.node = SimpleNamespace()
    client.put_scene = lambda seed, objects: None
    client.heard |= {f"{c}/{what}": deque() for c in CAMERAS for what in ("image", "info")}
    for tick in range(3):
        stamp_s = 0.2 * tick
        state = ros_messages.to_joint_state(station.joint_state(stamp_s))
        client.heard["joint_states"].append(state)
        client.heard["clock"].append(Clock(clock=ros_messages.to_time(stamp_s)))
        stamp = ros_messages.to_time(stamp_s)  # a message each: a flaw is in one of them
        client.heard["truth"].append(to_scene_truth(station.truth(), stamp, "robot_1/bin"))
        for camera in CAMERAS:
            frame, info = f"robot_1/{camera}", station.camera_info(camera)
            stamp = ros_messages.to_time(stamp_s)
            picture = _image_message(station.render(camera), stamp, frame)
            client.heard[f"{camera}/image"].append(picture)
            client.heard[f"{camera}/info"].append(
                to_camera_info(info, stamp_s=stamp_s, frame_id=frame)
            )
    return client


CHECKS = {
    name: getattr(streams, f"check_{name}")
    for name in ("stamps", "frames", "units", "pictures", "calibration")
} | {"seen": seen.check_seen}


def test_a_station_as_it_is_conforms(client):
    for check in CHECKS.values():
        assert check(client)


def degrees(client):
    state = client.heard["joint_states"][-1]
    state.position = np.rad2deg(state.position).tolist()


def other_joint(client):
    client.heard["joint_states"][-1].name[0] = "elbow"


def goes_back(client):
    client.heard["truth"][-1].header.stamp.nanosec = 0


def between_ticks(client):
    client.heard["wrist/image"][-1].header.stamp.nanosec += 1000


def other_frame(client):
    client.heard["shoulder/image"][-1].header.frame_id = "map"


def grey(client):
    client.heard["wrist/image"][-1].encoding = "mono8"


def cut_off(client):
    message = client.heard["shoulder/image"][-1]
    message.data = message.data[:-3]


def blank(client):
    message = client.heard["shoulder/image"][-1]
    message.data = bytes(len(message.data))


def wide(client):
    client.heard["shoulder/info"][-1].k[0] *= 1.1


def other_size(client):
    client.heard["shoulder/info"][-1].width = 128


def mirrored(client):
    message = client.heard["shoulder/image"][-1]
    message.data = client.picture("shoulder")[:, ::-1].tobytes()


@pytest.mark.parametrize(
    ("name", "flaw", "words"),
    [
        ("units", degrees, "within the limits"), ("units", other_joint, "joint names"),
        ("stamps", goes_back, "stamps of truth"), ("stamps", between_ticks, "wrist/image"),
        ("frames", other_frame, "frames of shoulder"), ("pictures", grey, "mono8"),
        ("pictures", cut_off, "bytes"), ("pictures", blank, "contrast"),
        ("calibration", wide, "fx of shoulder"), ("calibration", other_size, "size in shoulder"),
        ("seen", mirrored, "carrot in the picture"),
    ],
)  # fmt: skip
def test_a_flaw_is_found(client, name, flaw, words):
    flaw(client)
    with pytest.raises(Nonconformity, match=words):
        CHECKS[name](client)


def test_two_runs_that_differ_in_one_bit_are_two_runs():
    one = Rehearsal(np.zeros((2, 3)), (np.zeros((4, 4, 3), np.uint8),))
    assert check_repeats(one, one, MUJOCO)
    moved = one.positions.copy()
    moved[1, 1] = np.nextafter(0.0, 1.0)
    with pytest.raises(Nonconformity, match="joint positions"):
        check_repeats(one, Rehearsal(moved, one.pictures), MUJOCO)
    picture = one.pictures[0].copy()
    picture[0, 0, 0] = 1
    with pytest.raises(Nonconformity, match="pictures"):
        check_repeats(one, Rehearsal(one.positions, (picture,)), MUJOCO)
