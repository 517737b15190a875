"""The simulator's node with robots that fall silent and say what cannot be."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from builtin_interfaces.msg import Duration
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from mtopt_sim.simulator_node import SimulatorNode

ROBOTS = ("robot_1", "robot_2")


class Robots:
    """Two robots that stand still: each answers every picture, unless it is silent."""

    def __init__(self, domain_id: int):
        self.context = Context()
        self.context.init(domain_id=domain_id)
        values = {
            "robots": 2, "lockstep_timeout_s": 1.0, "discovery_s": 0.2, "publish_truth": False,
        }  # fmt: skip
        self.simulator = SimulatorNode(
            context=self.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self.node = Node("robots", context=self.context)
        self.silent: set[str] = set()
        self.pictures: Counter = Counter()
        self.stamps = {}
        self._publishers = {}
        for robot in ROBOTS:
            self._publishers[robot] = self.node.create_publisher(
                JointTrajectory, f"/{robot}/joint_trajectory", 20
            )
            self.node.create_subscription(
                Image, f"/{robot}/camera/image_raw",
                lambda image, robot=robot: self._on_picture(robot, image), 20,
            )  # fmt: skip
        self._executor = SingleThreadedExecutor(context=self.context)
        for node in (self.simulator, self.node):
            self._executor.add_node(node)

    def send(self, robot: str, *lengths: int) -> None:
        """To stay where it is: a point for each number of positions, 0.1 s apart."""
        station = self.simulator._stations[ROBOTS.index(robot)]
        here = station.joint_state(0.0).position.tolist()
        message = JointTrajectory(joint_names=list(station.joint_names))
        message.header.stamp = self.stamps[robot]
        message.points = [
            JointTrajectoryPoint(
                positions=here[:length], time_from_start=Duration(nanosec=100_000_000 * (i + 1))
            )
            for i, length in enumerate(lengths)
        ]
        self._publishers[robot].publish(message)

    def _on_picture(self, robot: str, image: Image) -> None:
        self.pictures[robot] += 1
        self.stamps[robot] = image.header.stamp
        if robot not in self.silent:
            self.send(robot, 8)

    def spin(self, until, timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end_s, dict(self.pictures)
            self._executor.spin_once(timeout_sec=0.05)

    def spin_on(self, ticks: int) -> None:
        """Until robot_1 has seen so many more pictures."""
        past = self.pictures["robot_1"] + ticks
        self.spin(lambda: self.pictures["robot_1"] >= past)

    def close(self) -> None:
        self.simulator.destroy_node()
        self.node.destroy_node()
        self._executor.shutdown(timeout_sec=0)
        self.context.try_shutdown()


@pytest.fixture
def robots(domain_id):
    robots = Robots(domain_id)
    try:
        robots.spin_on(3)
        yield robots
    finally:
        robots.close()


def test_a_robot_that_is_silent_sees_its_station_and_comes_back(robots):
    lockstep = robots.simulator._lockstep
    robots.silent.add("robot_2")
    robots.spin(lambda: lockstep.away() == ("robot_2",))
    seen, others = robots.pictures["robot_2"], robots.pictures["robot_1"]
    robots.spin(lambda: robots.pictures["robot_2"] >= seen + 3, timeout_s=20.0)
    assert robots.pictures["robot_1"] > others + 6, "the other one goes on meanwhile"
    robots.silent.clear()
    robots.spin(lambda: not lockstep.away(), timeout_s=20.0)
    seen = robots.pictures["robot_2"]
    robots.spin(lambda: robots.pictures["robot_2"] > seen + 10)


@pytest.mark.parametrize("lengths", [(8, 7), (7,), ()])
def test_a_trajectory_that_cannot_be_holds_one_arm_and_stops_nobody(robots, lengths):
    robots.silent.add("robot_2")
    seen = robots.pictures["robot_2"]
    robots.spin(lambda: robots.pictures["robot_2"] > seen)
    robots.send("robot_2", *lengths)
    robots.silent.clear()
    robots.spin_on(5)
    assert not robots.simulator._lockstep.away()
