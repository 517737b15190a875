"""Policy node and success detector node over services, in one process, on a domain of its own."""

import copy
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rclpy
import torch
import yaml
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from mtopt_learning.checkpoint.q_function import QFunction, save_q_function
from mtopt_learning.policy.batching import BatchWindow
from mtopt_learning.policy.policy_node import PolicyNode
from mtopt_learning.qlearn.network import NetworkConfig, QNetwork
from mtopt_learning.qlearn.tower import TowerConfig
from mtopt_learning.success.calibration import Calibration
from mtopt_learning.success.detector import save_detector
from mtopt_learning.success.network import DetectorNetwork, default_detector
from mtopt_learning.success.success_detector_node import SuccessDetectorNode
from mtopt_learning.success.training import SuccessTrainConfig, TrainedDetector
from mtopt_msgs.srv import ChooseAction, JudgeSuccess, LoadCheckpoint
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import PolicyRequest
from mtopt_spec.observation import Observation
from mtopt_spec.task import load_tasks

ROOT = Path(__file__).parents[2]
TASKS = load_tasks(ROOT / "params" / "tasks.yaml")
CAMERAS = {"shoulder": (64, 64), "wrist": (32, 32)}
DEADLINE_S = 90.0
_ROS_OWN = "start_type_description_service"


def in_file(kind):
    name = {"PolicyNode": "policy_node", "SuccessDetectorNode": "success_detector_node"}
    name = name[kind.__name__]
    written = yaml.safe_load((ROOT / "params" / f"{name}.yaml").read_text())
    return written[name]["ros__parameters"]


def observation(size=64):
    pictures = {
        camera: encode_jpeg(np.full((min(size, h), min(size, w), 3), 100, np.uint8))
        for camera, (h, w) in CAMERAS.items()
    }
    return Observation(1.5, pictures, False, 0.1, (0.0, 0.0, 0.2, 0.0))


def request(robot="robot_1", policy="qfunction", task="lift-any", seen=None):
    return PolicyRequest(robot, "e", 0, 11, task, policy, seen or observation())


@pytest.fixture
def checkpoint(tmp_path):
    towers = tuple(TowerConfig(c, *s, (8,), (8,), (8,), 8) for c, s in CAMERAS.items())
    torch.manual_seed(0)
    network = QNetwork(NetworkConfig(len(TASKS), towers, 16, 16))
    save_q_function(tmp_path / "q", QFunction(network, TASKS.names, CAMERAS), {})
    return tmp_path / "q"


@pytest.fixture
def graph():
    """Makes nodes with a probe beside them; ends all of them whatever happens."""
    context = Context()
    rclpy.init(context=context, domain_id=40 + os.getpid() % 50)
    executor = SingleThreadedExecutor(context=context)
    probe = rclpy.create_node("probe", context=context)
    executor.add_node(probe)
    nodes = [probe]

    def make(kind, **parameters):
        """With the node's own file, and what differs from it."""
        values = {**in_file(kind), **parameters}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = kind(context=context, parameter_overrides=overrides)
        nodes.append(node)
        executor.add_node(node)

    def ask(service, name, *messages):
        client = probe.create_client(service, name)
        deadline = time.monotonic() + DEADLINE_S
        while not client.service_is_ready() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        futures = [client.call_async(message) for message in messages]
        while not all(f.done() for f in futures) and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        return [future.result() for future in futures]

    try:
        yield make, ask
    finally:
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        context.try_shutdown()


def test_robots_that_ask_together_are_answered_in_one_evaluation(graph, checkpoint, monkeypatch):
    make, ask = graph
    batches = []
    from mtopt_learning.policy.q_policy import QFunctionPolicy

    evaluate = QFunctionPolicy.choose
    monkeypatch.setattr(
        QFunctionPolicy, "choose", lambda self, r: batches.append(len(r)) or evaluate(self, r)
    )
    make(PolicyNode, checkpoint=str(checkpoint), window_s=0.3)
    messages = [ros_messages.to_choose_request(request(f"robot_{i}")) for i in range(7)]
    for _ in range(2):  # the first time the node does not know how many there are
        batches.clear()
        responses = ask(ChooseAction, "/choose_action", *messages)
    assert batches == [7]
    for response in responses:
        assert response.error_code == 0 and 0 < response.q_value < 1
        assert response.action.header.stamp.sec == 1  # the observation's
        assert len(response.checkpoint) == 12


@pytest.mark.parametrize("behaviour", [False, True])
def test_a_goal_reaches_the_policy(graph, tmp_path, behaviour):
    make, ask = graph
    towers = tuple(TowerConfig(c, *s, (16,), (8,), (8,), 64) for c, s in CAMERAS.items())
    config = NetworkConfig(len(TASKS), towers, 64, 64, goal_join="input", behaviour=behaviour)
    torch.manual_seed(0)
    save_q_function(tmp_path / "q", QFunction(QNetwork(config), TASKS.names, CAMERAS), {})
    make(PolicyNode, checkpoint=str(tmp_path / "q"), noise=0.1)
    pictures = [encode_jpeg(np.full((32, 32, 3), grey, np.uint8)) for grey in (10, 240, 240)]
    whole = {
        camera: encode_jpeg(np.zeros((*size, 3), np.uint8)) for camera, size in CAMERAS.items()
    }
    goals = [Goal({**whole, "wrist": picture}) for picture in pictures]
    goals.append(Goal({"shoulder": pictures[0]}))
    asked = [replace(request(task=REACH_GOAL), goal=goal) for goal in goals]
    messages = [ros_messages.to_choose_request(one) for one in asked]
    messages.append(copy.deepcopy(messages[0]))
    messages[-1].goal.camera_names = ["wrist"]  # beside two pictures
    dark, light, again, other, torn = (
        ask(ChooseAction, "/choose_action", message)[0] for message in messages
    )
    assert [r.error_code for r in (dark, light, again, other, torn)] == [0, 0, 0, 1, 3]
    assert "each camera once" in torn.error_msg
    assert dark.q_value != light.q_value == again.q_value and "goal's cameras" in other.error_msg


def test_each_bad_request_has_its_code(graph, checkpoint):
    make, ask = graph
    make(PolicyNode, checkpoint=str(checkpoint))
    bad = [
        request(task="lift-moon"),
        request("robot_2", policy="dance"),
        request("robot_3", seen=observation(16)),
        request("robot_4", seen=replace(observation(), images_jpeg={"shoulder": b"no picture"})),
        request("robot_5", policy="scripted_pick"),
    ]
    responses = ask(ChooseAction, "/choose_action", *map(ros_messages.to_choose_request, bad))
    assert [r.error_code for r in responses] == [1, 2, 3, 3, 0]
    assert all(r.error_msg for r in responses[:4])


def test_another_checkpoint_is_loaded_while_running(graph, checkpoint, tmp_path):
    make, ask = graph
    make(PolicyNode)
    message = ros_messages.to_choose_request(request())
    assert ask(ChooseAction, "/choose_action", message)[0].error_code == 4
    load = LoadCheckpoint.Request(path=str(checkpoint))
    (loaded,) = ask(LoadCheckpoint, "/load_checkpoint", load)
    assert loaded.loaded and loaded.fingerprint
    (refused,) = ask(
        LoadCheckpoint, "/load_checkpoint", LoadCheckpoint.Request(path=str(tmp_path / "none"))
    )
    assert not refused.loaded and "none" in refused.error_msg
    assert refused.fingerprint == loaded.fingerprint
    answer = ask(ChooseAction, "/choose_action", message)[0]
    assert answer.error_code == 0 and answer.checkpoint == loaded.fingerprint


def test_a_changed_checkpoint_is_served_without_being_told(graph, checkpoint):
    make, ask = graph
    make(PolicyNode, checkpoint=str(checkpoint), reload_period_s=0.05)
    message = ros_messages.to_choose_request(request())
    before = ask(ChooseAction, "/choose_action", message)[0].checkpoint
    torch.manual_seed(1)
    towers = tuple(TowerConfig(c, *s, (8,), (8,), (8,), 8) for c, s in CAMERAS.items())
    network = QNetwork(NetworkConfig(len(TASKS), towers, 16, 16))
    new = save_q_function(checkpoint, QFunction(network, TASKS.names, CAMERAS), {})
    deadline = time.monotonic() + DEADLINE_S
    while (now := ask(ChooseAction, "/choose_action", message)[0].checkpoint) == before:
        assert time.monotonic() < deadline
    assert now == new


def test_detector_judges_all_tasks_or_those_asked_for(graph, tmp_path):
    make, ask = graph
    network = DetectorNetwork(default_detector(len(TASKS), CAMERAS))
    trained = TrainedDetector(network, tuple(Calibration() for _ in TASKS), {})
    save_detector(tmp_path / "d", trained, TASKS.names, CAMERAS, SuccessTrainConfig())
    make(SuccessDetectorNode, checkpoint=str(tmp_path / "d"))
    seen = observation()
    responses = ask(
        JudgeSuccess, "/judge_success",
        ros_messages.to_judge_request("robot_1", "e", seen),
        ros_messages.to_judge_request("robot_2", "e", seen, ["place-any"]),
        ros_messages.to_judge_request("robot_3", "e", seen, ["lift-moon"]),
        ros_messages.to_judge_request("robot_4", "e", observation(16)),
    )  # fmt: skip
    assert [r.error_code for r in responses] == [0, 0, 1, 2]
    assert [label.task for label in responses[0].labels] == list(TASKS.names)
    assert [label.task for label in responses[1].labels] == ["place-any"]
    assert all(0 <= label.probability <= 1 for label in responses[0].labels)


def test_without_a_detector_every_request_is_refused(graph):
    make, ask = graph
    make(SuccessDetectorNode)
    message = ros_messages.to_judge_request("robot_1", "e", observation())
    assert ask(JudgeSuccess, "/judge_success", message)[0].error_code == 3


@pytest.mark.parametrize("kind", [PolicyNode, SuccessDetectorNode])
def test_the_parameter_file_holds_what_the_node_declares_and_nothing_else(graph, kind):
    make, _ = graph
    declared = {}

    class Spy(kind):
        def declare_parameter(self, name, value=None, *args, **kwargs):
            declared[name] = value
            return super().declare_parameter(name, value, *args, **kwargs)

    Spy.__name__ = kind.__name__
    make(Spy)
    ours = {k: v for k, v in declared.items() if k not in ("use_sim_time", _ROS_OWN)}
    written = in_file(kind)
    assert set(written) == set(ours)
    assert {k: v for k, v in ours.items() if not isinstance(v, Parameter.Type)} == {
        k: v for k, v in written.items() if not k.startswith("camera_")
    }


def test_without_its_calibration_the_policy_node_does_not_start(graph):
    make, _ = graph
    with pytest.raises(InputError, match="camera_intrinsics"):
        make(PolicyNode, camera_intrinsics=None)


def test_bad_parameters_end_the_start(graph):
    make, _ = graph
    with pytest.raises(InputError, match="cem_elites"):
        make(PolicyNode, cem_elites=100)
    with pytest.raises(InputError, match="window_s"):
        make(SuccessDetectorNode, window_s=0.0)


def test_window_waits_for_those_that_ask_regularly_but_not_for_long():
    window = BatchWindow(0.01, forget_s=1.0)
    window.add("a", 1, 0.0)
    assert window.due(0.0) and window.take() == [1]
    window.add("b", 2, 0.1)
    assert not window.due(0.1)  # a may ask as well
    window.add("a", 3, 0.105)
    assert window.due(0.105) and window.take() == [2, 3] and not window.due(0.2)
    window.add("a", 4, 0.2)
    assert not window.due(0.205) and window.due(0.211)
    window.take()
    window.add("a", 5, 5.0)
    assert window.due(5.0)  # b has been silent
