"""Answers on a topic, for `mtopt doctor`: does a message reach another process and come back?"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import UInt64

from mtopt_bringup.supervisor import end_process
from mtopt_spec.ros_run import run


class LoopbackNode(Node):
    """Sends every number that it gets back plus one."""

    def __init__(self, *, context=None):
        super().__init__("loopback_node", context=context)
        self._publisher = self.create_publisher(UInt64, "/mtopt_doctor/answer", 10)
        self.create_subscription(UInt64, "/mtopt_doctor/question", self._answer, 10)

    def _answer(self, message: UInt64) -> None:
        self._publisher.publish(UInt64(data=message.data + 1))


def round_trip_s(domain_id: int, timeout_s: float) -> float:
    """Wall time of a message to another process and back, once both have found each other.

    Raises:
        TimeoutError: Nothing came back.
    """
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
    other = subprocess.Popen(
        [sys.executable, "-m", "mtopt_bringup.loopback_node"],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    context = Context()
    context.init(domain_id=domain_id)
    try:
        node = Node("doctor", context=context)
        answers: dict[int, float] = {}
        node.create_subscription(
            UInt64, "/mtopt_doctor/answer",
            lambda message: answers.setdefault(message.data, time.perf_counter()), 10,
        )  # fmt: skip
        publisher = node.create_publisher(UInt64, "/mtopt_doctor/question", 10)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        deadline_s = time.monotonic() + timeout_s
        asked_s: dict[int, float] = {}
        while time.monotonic() < deadline_s:
            question = 2 * (len(asked_s) + 1)
            asked_s[question + 1] = time.perf_counter()
            publisher.publish(UInt64(data=question))
            executor.spin_once(timeout_sec=0.2)
            if answers:  # perhaps of an earlier question: the machine may be busy
                return min(answers[answer] - asked_s[answer] for answer in answers)
        raise TimeoutError(f"no answer from another process on domain {domain_id}")
    finally:
        end_process(other, patience_s=2.0)
        context.try_shutdown()


def main() -> int:
    """Answers until stopped."""
    return run(lambda context: [LoopbackNode(context=context)])


if __name__ == "__main__":
    sys.exit(main())
