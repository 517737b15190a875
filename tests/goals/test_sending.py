"""`mtopt goals send` and a robot of a test's own, which runs until it is canceled."""

import threading

import pytest
from rclpy.action import ActionServer, CancelResponse
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

from mtopt_bringup.goalset.sending import SendConfig, send_goal
from mtopt_bringup.ros_visit import RosVisit
from mtopt_msgs.action import ReachGoal
from mtopt_spec.goal import Goal

WAIT_S = 20.0


class Robot:
    """`taken` and `over` are set where a goal is accepted and where it is canceled."""

    def __init__(self, context: Context):
        self.taken, self.canceled, self.over = (threading.Event() for _ in range(3))
        self._node = Node("robot", namespace="/robot_1", context=context)
        self._server = ActionServer(
            self._node, ReachGoal, "reach_goal", self._run, cancel_callback=self._cancel
        )
        self._executor = MultiThreadedExecutor(2, context=context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def _run(self, goal) -> ReachGoal.Result:
        self.taken.set()
        if self.canceled.wait(WAIT_S):
            goal.canceled()
            self.over.set()
        return ReachGoal.Result()

    def _cancel(self, _) -> CancelResponse:
        self.canceled.set()
        return CancelResponse.ACCEPT

    def close(self) -> None:
        self.canceled.set()
        self._executor.shutdown()
        self._thread.join()
        self._server.destroy()
        self._node.destroy_node()


@pytest.fixture
def robot(domain_id):
    context = Context()
    context.init(domain_id=domain_id)
    robot = Robot(context)
    yield robot
    robot.close()
    context.try_shutdown()


@pytest.mark.parametrize("wait", [2, 3], ids=["before it is accepted", "while it is reached"])
def test_ctrl_c_cancels_a_goal(robot, monkeypatch, wait):
    waits, until = [], RosVisit.until

    def interrupted(visit, condition, wall_s):
        waits.append(condition)
        if len(waits) == wait:
            raise KeyboardInterrupt
        return until(visit, condition, wall_s)

    monkeypatch.setattr(RosVisit, "until", interrupted)
    with pytest.raises(KeyboardInterrupt):
        send_goal(Goal({"shoulder": b"a picture"}), SendConfig("robot_1"), lambda _: None)
    assert robot.taken.wait(WAIT_S) and robot.canceled.is_set() and robot.over.wait(WAIT_S)
