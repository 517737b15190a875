"""The recorder among real messages: acknowledgements, a full disk, kill -9."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import random
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message

from mtopt_bringup.commands import bags as command
from mtopt_control.recorder import recorder_node
from mtopt_control.recorder.recorder_node import RecorderNode
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_msgs.msg import EpisodeRecorded
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal

IMPLICIT = {"use_sim_time", "start_type_description_service"}
PARAMETERS = Path(__file__).parents[2] / "params" / "recorder_node.yaml"


def get_message(type_name):
    package, _, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def parameters(**changes):
    """Those of the file, with changes."""
    values = yaml.safe_load(PARAMETERS.read_text())["recorder_node"]["ros__parameters"]
    return [Parameter(name, value=value) for name, value in {**values, **changes}.items()]


class Graph:
    """A recorder and a robot that says whole episodes, in one executor."""

    def __init__(self, context, out):
        self.recorder = RecorderNode(
            context=context,
            parameter_overrides=parameters(out=str(out), robots=["robot_1"], deadline_s=1.0),
        )
        self.robot = rclpy.create_node("robot", context=context)
        self.publishers = {}
        self.acks = []
        self.robot.create_subscription(
            EpisodeRecorded, "/robot_1/episode/recorded", self.acks.append, 10
        )
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.robot)

    def until(self, condition, deadline_s=60.0):
        end_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end_s, "nothing came"
            self.executor.spin_once(timeout_sec=0.05)

    def say(self, episode):
        """Publishes an episode; gives the acknowledgement."""
        messages = episode_messages(episode)
        for topic, kind in {m.topic: get_message(m.type) for m in messages}.items():
            if topic not in self.publishers:
                self.publishers[topic] = self.robot.create_publisher(kind, topic, 100)
        self.until(lambda: all(p.get_subscription_count() for p in self.publishers.values()))
        self.until(lambda: self.recorder.count_subscribers("/robot_1/episode/recorded"))
        count = len(self.acks)
        for message in messages:
            self.publishers[message.topic].publish(
                deserialize_message(message.cdr, get_message(message.type))
            )
            self.executor.spin_once(timeout_sec=0.0)
        self.until(lambda: len(self.acks) > count)
        return self.acks[-1]

    def close(self):
        for node in (self.recorder, self.robot):
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()


@pytest.fixture
def graph(tmp_path, domain_id):
    context = rclpy.Context()
    context.init(domain_id=domain_id)
    graph = Graph(context, tmp_path / "bags")
    yield graph
    graph.close()
    context.try_shutdown()


def test_an_episode_is_on_disk_when_it_is_acknowledged(graph, tmp_path, make_episode):
    ack = graph.say(make_episode(0, start_s=0.0))
    assert (ack.episode_id, ack.recorded, ack.error_msg) == ("test-robot_1-0", True, "")
    (partial,) = tmp_path.rglob("*.partial")
    found = command.inspect_bag(partial)
    assert found.being_written
    graph.say(make_episode(1, start_s=5.0))
    graph.recorder.destroy_node()
    with BagReader(Path(ack.bag)) as reader:
        got = list(reader.episodes())
    assert [e.end for e in got] == [make_episode(n, start_s=5.0 * n).end for n in range(2)]


def test_the_goal_pictures_of_every_camera_are_recorded(graph, make_episode):
    goals = [Goal({"shoulder": b"bin", "wrist": b"can"}), None, Goal({"wrist": b"box"})]
    for number, goal in enumerate(goals):
        ack = graph.say(replace(make_episode(number), goal=goal))
    graph.recorder.destroy_node()
    with BagReader(Path(ack.bag)) as reader:
        got = [episode.goal_images_jpeg for episode in reader.episodes()]
    assert got == [goal.images_jpeg if goal else {} for goal in goals]


def test_two_runs_with_the_same_stamps_are_two_bags_of_their_own(graph, tmp_path, make_episode):
    """Time goes back by less than the recorder remembers, as where a short bag is played twice."""
    played = [make_episode(n, start_s=1.0 + (n % 2)) for n in range(4)]
    acks = [graph.say(episode) for episode in played]
    assert [ack.error_msg for ack in acks] == [""] * 4
    assert len({ack.bag for ack in acks}) == 2, "within a bag time goes on"
    graph.recorder.destroy_node()
    found = []
    for bag in find_bags([tmp_path]):
        with BagReader(bag) as reader:
            found += reader.episodes()
    assert [e.end for e in found] == [e.end for e in played]
    for got, said in zip(found, played):
        assert (got.stamp_ns[1:] > got.stamp_ns[:-1]).all()
        pictures = [*(step.observation for step in said.steps), said.last_observation]
        assert list(got.images_jpeg["shoulder"]) == [o.images_jpeg["shoulder"] for o in pictures]


def test_a_full_disk_refuses_the_episode_and_keeps_the_others(graph, make_episode):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    bag = Path(graph.say(make_episode(0)).bag)
    file = next(bag.parent.rglob("*.mcap"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 1000, before[1]))
    try:
        refused = graph.say(make_episode(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not refused.recorded and "disk" in refused.error_msg
    assert graph.say(make_episode(2)).recorded
    graph.recorder.destroy_node()
    with BagReader(bag) as reader:
        assert [e.begin.episode_number for e in reader.episodes()] == [0, 2]


def test_the_parameter_file_is_complete_and_bad_values_are_refused(tmp_path, domain_id):
    context = rclpy.Context()
    context.init(domain_id=domain_id)
    try:
        node = RecorderNode(context=context, parameter_overrides=parameters(out=str(tmp_path)))
        in_file = yaml.safe_load(PARAMETERS.read_text())["recorder_node"]["ros__parameters"]
        assert set(node.get_parameters_by_prefix("")) - IMPLICIT == set(in_file)
        node.destroy_node()
        with pytest.raises(InputError, match="queue_depth.*above 0"):
            RecorderNode(context=context, parameter_overrides=parameters(queue_depth=0))
    finally:
        context.try_shutdown()


def start_recorder(out, robot, monkeypatch):
    """A recorder process, forked from one that has imported everything already."""
    options = ("-p", f"out:={out}", "-p", "deadline_s:=0.3", "-p", "cameras:=[shoulder]")
    arguments = ["recorder_node", "--ros-args", "--params-file", str(PARAMETERS), *options]
    monkeypatch.setattr(sys, "argv", [*arguments, "-p", f"robots:=[{robot}]"])
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["mtopt_control.recorder.recorder_node"])
    process = forking.Process(target=recorder_node.main)
    process.start()
    return process


class TalkingRobot:
    """A process that goes on saying episodes, whether a recorder is there or not."""

    def __init__(self, name, folder):
        self.name, self.out, self._said = name, folder / name, folder / f"{name}.jsonl"
        with self._said.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mtopt_bringup.benchmarks.synthetic_robot", "--fast",
                 "--robot", name, "--episodes", "1000000", "--steps", "4", "--width", "96",
                 "--height", "64", "--patience-s", "0.4", "--readings", "4"],
                stdout=stream,
            )  # fmt: skip

    def acknowledged(self):
        lines = self._said.read_text().rpartition("\n")[0].splitlines()
        return {x["episode_id"] for x in map(json.loads, lines) if x["recorded"]}


def test_kill_9_at_twenty_moments_loses_no_acknowledged_episode(tmp_path, domain_id, monkeypatch):
    """Four robots go on saying episodes; five times each, a recorder comes and is killed."""
    rng = random.Random(5)
    robots = [TalkingRobot(f"robot_{i}", tmp_path) for i in range(1, 5)]
    try:
        for _ in range(5):
            before = {robot: len(robot.acknowledged()) for robot in robots}
            recorders = {r: start_recorder(r.out, r.name, monkeypatch) for r in robots}
            deadline_s, kill_at_s = time.monotonic() + 120.0, {}
            while recorders:
                assert time.monotonic() < deadline_s, "nothing was acknowledged"
                for robot, recorder in list(recorders.items()):
                    if robot not in kill_at_s and len(robot.acknowledged()) > before[robot]:
                        kill_at_s[robot] = time.monotonic() + rng.uniform(0.0, 0.3)
                    if time.monotonic() >= kill_at_s.get(robot, float("inf")):
                        recorder.kill()
                        recorder.join()
                        del recorders[robot]
                time.sleep(0.005)
    finally:
        for robot in robots:
            robot.process.kill()
            robot.process.wait()
    for robot in robots:
        result = command.check([robot.out], repair=True)
        read = []
        for bag in find_bags([robot.out]):
            with BagReader(bag) as reader:
                read += [episode.begin.episode_id for episode in reader.episodes()]
                assert not reader.counts["incomplete"], reader.problems
        assert robot.acknowledged() <= set(read), "an acknowledged episode was lost"
        assert len(read) == len(set(read)) == result["episodes"]
        # void: what a busy machine brought later than this recorder waits for it
        assert result["episodes"] + result["void_episodes"] == result["recovered"]
        assert (result["bags"], result["errors"]) == (5, [])
        assert result["set_aside"] == len(list(robot.out.rglob("*.cut")))
