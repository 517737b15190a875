"""The stop topics: one of the robot, one of the cell."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool

from mtopt_spec.ros_parameters import robot_of

CELL_STOP = "/stop"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The last message reaches those who come later, as long as its publisher lives."""


class StopTopics:
    """Hears `/<robot>/stop` and `/stop`; true stops.

    Args:
        node: Of the robot.
        on_stop: Called with the topic's name at every true.
    """

    def __init__(self, node: Node, on_stop: Callable[[str], None]):
        self._on_stop = on_stop
        self._says: dict[str, bool] = {}
        for topic in (f"/{robot_of(node)}/stop", CELL_STOP):
            # a publisher that keeps nothing for late joiners is heard by another subscription
            for qos in (LATCHED, QoSProfile(depth=1)):
                node.create_subscription(
                    Bool, topic, lambda message, topic=topic: self._hear(topic, message.data), qos
                )

    def asserted(self) -> list[str]:
        """Topics whose last word is stop."""
        return [topic for topic, stop in self._says.items() if stop]

    def _hear(self, topic: str, stop: bool) -> None:
        self._says[topic] = stop
        if stop:
            self._on_stop(topic)
