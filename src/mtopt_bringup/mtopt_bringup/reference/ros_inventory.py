"""Starts each node of the cell by itself and reads its endpoints and parameters."""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from rclpy.action import ActionClient, ActionServer
from rclpy.action.graph import (
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mtopt_bringup.goalset.goal_set import GoalSet, ShownGoal
from mtopt_spec.goal import Goal, GoalTruth
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.resources import share_dir

_ROBOT = "robot_1"
_ROS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides")
_ROS_SERVICES = ("rcl_interfaces/", "type_description_interfaces/")
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    """A topic, service or action of a node; `qos` in words, empty where it is ROS's default."""

    name: str
    type: str
    qos: str = ""


@dataclass(frozen=True)
class ParameterEntry:
    """A parameter: what the shipped file sets, and what it means."""

    name: str
    type: str
    value: str
    meaning: str


@dataclass(frozen=True)
class NodeEntry:
    """What a node has."""

    name: str
    publishes: tuple[Endpoint, ...]
    subscribes: tuple[Endpoint, ...]
    serves: tuple[Endpoint, ...]
    calls: tuple[Endpoint, ...]
    action_servers: tuple[Endpoint, ...]
    action_clients: tuple[Endpoint, ...]
    parameters: tuple[ParameterEntry, ...]


@dataclass(frozen=True)
class _Start:
    """How a node is started: the class and what its file cannot say here."""

    module: str
    kind: str
    namespace: str = "/"
    parameters: Mapping[str, object] = field(default_factory=dict)


def _starts(folder: Path) -> tuple[_Start, ...]:
    """All nodes of the cell, the data's way."""
    goals, bag = folder / "goals", folder / "bag"
    _a_goal_set().write(goals)
    bag.mkdir()
    (bag / "metadata.yaml").touch()  # its reading begins with the first question
    control, here = "mtopt_control", f"/{_ROBOT}"
    one = {"robots": [_ROBOT]}
    return (
        _Start("mtopt_sim.simulator_node", "SimulatorNode", "/", {"robots": 1}),
        _Start("mtopt_sim.gazebo_arm_node", "GazeboArmNode", "/", one),
        _Start("mtopt_sim.gazebo_truth_node", "GazeboTruthNode", "/", one),
        _Start(f"{control}.robot_node", "RobotNode", here),
        _Start(
            f"{control}.camera.camera_node", "CameraNode", f"{here}/camera",
            {"adapt_camera_info": True},
        ),
        _Start(f"{control}.arm.arm_node", "ArmNode", here),
        _Start(f"{control}.arm.cell_stop_node", "CellStopNode"),
        _Start(f"{control}.bin_reset.bin_reset_node", "BinResetNode", here),
        _Start(
            f"{control}.episode.episode_node", "EpisodeNode", here,
            {"simulator": True, "judge": "detector"},
        ),
        _Start("mtopt_learning.policy.policy_node", "PolicyNode"),
        _Start("mtopt_learning.success.success_detector_node", "SuccessDetectorNode"),
        _Start(f"{control}.schedule.task_scheduler_node", "TaskSchedulerNode", "/", one),
        _Start(
            "mtopt_bringup.goalset.goal_schedule_node", "GoalScheduleNode", "/",
            {**one, "goals": str(goals)},
        ),
        _Start(
            f"{control}.recorder.recorder_node", "RecorderNode", "/",
            {**one, "out": str(folder / "bags")},
        ),
        _Start("mtopt_bringup.replay_node", "ReplayNode", "/", {"bag": str(bag)}),
    )  # fmt: skip


def _a_goal_set() -> GoalSet:
    truth = GoalTruth("grasp", "can", (0.0, 0.0, 0.1), "")
    jpeg = encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    shown = ShownGoal(Goal({"shoulder": jpeg}, truth=truth), jpeg, 1)
    return GoalSet((shown,), ("shoulder",), world="bin_cell.sdf")


def read_nodes() -> Iterator[NodeEntry]:
    """Starts all nodes one after the other, each in a context of its own; nothing runs."""
    with tempfile.TemporaryDirectory() as folder:
        for start in _starts(Path(folder)):
            yield _read(start)


def _read(start: _Start) -> NodeEntry:
    name = start.module.rsplit(".", 1)[-1]
    file = share_dir() / "params" / f"{name}.yaml"
    defaults = yaml.safe_load(file.read_text()) if file.exists() else {}  # not all have parameters
    arguments = ["--ros-args", "-r", f"__ns:={start.namespace}"]
    if defaults:
        arguments += ["--params-file", str(file)]
    for key, value in start.parameters.items():
        arguments += ["-p", f"{key}:={json.dumps(value)}"]  # which is YAML, too
    context = Context()
    context.init(args=arguments)
    try:
        node = getattr(importlib.import_module(start.module), start.kind)(context=context)
        try:
            return NodeEntry(
                name,
                _topics(node.publishers),
                _topics(node.subscriptions),
                _services(node.services),
                _services(node.clients),
                *_actions(node),
                _parameters(node, defaults, start),
            )
        finally:
            node.destroy_node()
    finally:
        context.try_shutdown()


def _topics(entities) -> tuple[Endpoint, ...]:
    """Of publishers or subscriptions; those of actions and of ROS itself are left out."""
    found = {}
    for entity in entities:
        name = entity.topic_name
        if "/_action/" not in name and name not in ("/rosout", "/parameter_events"):
            found[name] = Endpoint(name, _type_name(entity.msg_type), _qos(entity.qos_profile))
    return tuple(found[name] for name in sorted(found))


def _services(entities) -> tuple[Endpoint, ...]:
    found = {}
    for entity in entities:
        name, kind = entity.service_name, _type_name(entity.srv_type)
        if "/_action/" not in name and not kind.startswith(_ROS_SERVICES):
            found[name] = Endpoint(name, kind)
    return tuple(found[name] for name in sorted(found))


def _actions(node: Node) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """Of its action servers and clients: the graph alone tells of them, a moment later."""
    kinds = get_action_server_names_and_types_by_node, get_action_client_names_and_types_by_node
    kinds_here = ActionServer, ActionClient
    expected = sum(isinstance(waitable, kinds_here) for waitable in node.waitables)
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        found = [kind(node, node.get_name(), node.get_namespace()) for kind in kinds]
        if sum(map(len, found)) >= expected or time.monotonic() > end_s:
            break
        time.sleep(0.02)
    return tuple(tuple(Endpoint(name, types[0]) for name, types in sorted(f)) for f in found)


def _type_name(kind: type) -> str:
    package, folder = kind.__module__.split(".")[:2]
    return f"{package}/{folder}/{kind.__name__}"


def _qos(profile: QoSProfile) -> str:
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    words = ["reliable" if reliable else "best effort", f"depth {profile.depth}"]
    if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        words.append("latched")
    return ", ".join(words)


def _parameters(node: Node, file: Mapping, start: _Start) -> tuple[ParameterEntry, ...]:
    """In the order of their declaration, with the values of the shipped file."""
    declared = node.list_parameters([], 0).names
    names = [name for name in declared if not name.startswith(_ROS_OWN)]
    entries = []
    for name in names:
        value = node.get_parameter(name).value
        if name in start.parameters:
            value = next(v[name] for v in _sections(file) if name in v)
        descriptor = node.describe_parameter(name)
        kind = node.get_parameter(name).type_.name.lower().replace("_array", "[]")
        entries.append(ParameterEntry(name, kind, _text(value), descriptor.description))
    return tuple(entries)


def _sections(file: Mapping) -> list[Mapping]:
    return [section["ros__parameters"] for section in file.values()]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        value = [item for item in value if item != ""]
        return f"[{', '.join(_text(item) for item in value)}]"
    return str(value) if value != "" else '""'
