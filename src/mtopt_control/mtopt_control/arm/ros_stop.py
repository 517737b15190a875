"""The stop topics: one of the robot, one of the cell."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from mtopt_spec.ros_parameters import robot_of

CELL_STOP = "/stop"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The last message reaches those who come later, as long as its publisher lives."""
_DEPTH = 10  # a press that is taken back at once is heard too
_HEARD = (
    QoSProfile(depth=_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    QoSProfile(depth=_DEPTH),
    QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT),
)
"""Between them they hear a publisher of any quality, each as well as it can be heard.

What a better one publishes comes by several of them: the same word again changes nothing.
"""


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
            for qos in _HEARD:
                node.create_subscription(
                    Bool, topic, lambda message, topic=topic: self._hear(topic, message.data), qos,
                    # who is not heard by one of them is heard by another: nothing to warn of
                    event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                )  # fmt: skip

    def asserted(self) -> list[str]:
        """Topics whose last word is stop."""
        return [topic for topic, stop in self._says.items() if stop]

    def _hear(self, topic: str, stop: bool) -> None:
        self._says[topic] = stop
        if stop:
            self._on_stop(topic)
