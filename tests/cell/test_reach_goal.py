"""A goal picture for a robot of a real cell: action, policy, simulator's judgement, bag."""

import json
import math
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.domain import domain_environment
from mtopt_bringup.graph import cell_graph
from mtopt_bringup.processes import process_specs
from mtopt_bringup.supervisor import Supervisor
from mtopt_msgs.action import ReachGoal
from mtopt_msgs.msg import EpisodeBegin, SceneTruth
from mtopt_msgs.srv import LabelSuccess
from mtopt_spec import ros_messages
from mtopt_spec.goal import REACH_GOAL, Goal, GoalTruth
from mtopt_spec.image_codec import encode_jpeg

POLICY = "random"
"""It looks at no goal."""


@pytest.fixture
def probe(domain_id):
    """A node and its executor."""
    context = Context()
    context.init(domain_id=domain_id)
    node = Node("probe", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown(timeout_sec=0)
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def cell(tmp_path, probe):
    """A cell of one robot that waits for goals, as somebody sees it who sends them."""
    options = CellOptions(robots=1, out=str(tmp_path), seed=3, run="goals", autostart=False)
    specs = process_specs(cell_graph(options), tmp_path / "logs")
    with Supervisor(specs, tmp_path / "logs", domain_environment()) as supervisor:
        yield Client(*probe, supervisor)


class Client:
    """Asks robot_1 to reach goals, and sees the simulator's truth."""

    def __init__(self, node, executor, supervisor):
        self.executor, self.supervisor = executor, supervisor
        self.scenes, self.feedback = [], []
        self.client = ActionClient(node, ReachGoal, "/robot_1/reach_goal")
        # The action client drops feedback that its executor takes after the result.
        node.create_subscription(
            ReachGoal.Impl.FeedbackMessage, "/robot_1/reach_goal/_action/feedback",
            self.feedback.append, 100,
        )  # fmt: skip
        self.label = node.create_client(LabelSuccess, "/truth/label_success")
        node.create_subscription(SceneTruth, "/truth/robot_1/scene", self.scenes.append, 10)
        self.until(lambda: self.scenes and self.client.server_is_ready())

    def until(self, condition):
        deadline_s = time.monotonic() + 180.0
        while not condition():
            assert self.supervisor.poll(), self.supervisor.failure
            assert time.monotonic() < deadline_s, "deadline"
            self.executor.spin_once(timeout_sec=0.05)

    def ask(self, future):
        self.until(future.done)
        return future.result()

    def reach(self, goal, seed):
        """Where some part of the young cell has not yet found the robot, it is asked again."""
        message = ReachGoal.Goal(goal=ros_messages.to_goal(goal), policy=POLICY, seed=seed)
        for _ in range(3):
            self.goal = self.ask(self.client.send_goal_async(message))
            result = self.ask(self.goal.get_result_async()).result
            if result.error_code not in (result.ERROR_RECORDER, result.ERROR_STALE_OBSERVATION):
                break
        return result

    def steps(self):
        """The feedback on the newest goal's steps, once there is some."""

        def told():
            return [
                message.feedback
                for message in self.feedback
                if message.goal_id == self.goal.goal_id
                and message.feedback.state == ReachGoal.Feedback.STATE_STEP
            ]

        self.until(told)
        return told()


def test_a_robot_of_the_cell_reaches_a_goal_on_request(cell, tmp_path, episodes):
    picture = encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    scene = cell.scenes[-1]
    at = scene.poses[0].position
    here = GoalTruth("rearrange", scene.object_names[0], (at.x, at.y, at.z))
    there = replace(here, position_bin_m=(at.x + 1.0, at.y, at.z))
    results = [
        cell.reach(Goal({"shoulder": picture}, truth=truth), seed=5) for truth in (here, there)
    ]
    assert [(r.error_code, r.error_msg) for r in results] == [(0, "")] * 2
    assert [r.end.success for r in results] == [True, False]
    assert [r.end.success_source for r in results] == ["simulator"] * 2
    told = [f.distance_m for f in cell.steps()]
    assert told == pytest.approx([1.0] * len(told), abs=0.05)
    nobody = cell.reach(Goal({"shoulder": picture}), seed=6)
    assert (nobody.error_code, nobody.end.success_source) == (0, "none")
    assert all(math.isnan(f.distance_m) for f in cell.steps())

    shown = Goal({"shoulder": picture}, truth=here)
    bad = LabelSuccess.Request(robot="robot_1", goal=ros_messages.to_goal(shown))
    assert cell.ask(cell.label.call_async(bad)).labels[-1].task == REACH_GOAL
    bad.goal.kind = "juggle"
    assert not cell.ask(cell.label.call_async(bad)).labels
    cell.supervisor.stop()
    recorded = [e for e in episodes(tmp_path).values() if not e.end.fault]
    assert [e.begin.task for e in recorded] == [REACH_GOAL] * 3
    labelled = [REACH_GOAL in {label.task for label in e.end.labels} for e in recorded]
    assert labelled == [True, True, False]


def test_the_command_starts_a_cell_that_waits_until_ctrl_c(tmp_path, probe, started):
    node, executor = probe
    cell = started("cell", "--robots", 1, "--out", tmp_path, "--on-request", "--json")
    try:
        client = ActionClient(node, ReachGoal, "/robot_1/reach_goal")
        ticks, begins = [], []
        node.create_subscription(SceneTruth, "/truth/robot_1/scene", ticks.append, 10)
        node.create_subscription(EpisodeBegin, "/robot_1/episode/begin", begins.append, 10)
        deadline_s = time.monotonic() + 180.0
        while len(ticks) < 60 or not client.server_is_ready():
            assert cell.poll() is None and time.monotonic() < deadline_s
            executor.spin_once(timeout_sec=0.05)
        cell.send_signal(signal.SIGINT)
        out, _ = cell.communicate(timeout=120)
    finally:
        cell.kill()
    assert cell.returncode == 130 and not begins
    assert json.loads(out.splitlines()[-1])["episodes"] == 0
