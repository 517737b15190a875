"""Watches a running cell: how many episodes are on disk, how many steps were simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node

from mtopt_bringup.ros_visit import RosVisit
from mtopt_msgs.msg import EpisodeBegin, EpisodeRecorded


class CellMonitorNode(Node):
    """Listens; it takes no part in the cell.

    Args:
        robots: Namespaces.
        on_recorded: Called with the episode's id when one is on disk.

    Attributes:
        simulator: The simulator's last figures by name, as text.
        begun: Ids of episodes that began.
    """

    def __init__(
        self, robots: Sequence[str], on_recorded: Callable[[str], None], *, context: Context
    ):
        super().__init__("cell_monitor_node", context=context)
        self._on_recorded = on_recorded
        self.simulator: dict[str, str] = {}
        self.begun: set[str] = set()
        for robot in robots:
            self.create_subscription(EpisodeBegin, f"/{robot}/episode/begin", self._begin, 100)
            self.create_subscription(
                EpisodeRecorded, f"/{robot}/episode/recorded", self._recorded, 100
            )
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 100)

    def _recorded(self, message: EpisodeRecorded) -> None:
        if message.recorded:
            self._on_recorded(message.episode_id)

    def _begin(self, message: EpisodeBegin) -> None:
        self.begun.add(message.episode_id)

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "simulator_node":
                self.simulator = {value.key: value.value for value in status.values}


class CellMonitor(RosVisit[CellMonitorNode]):
    """The node with a context and executor of its own; use it as a context manager.

    Args:
        robots, on_recorded: As of the node.
        domain_id: Of the cell.
    """

    def __init__(self, robots: Sequence[str], on_recorded: Callable[[str], None], domain_id: int):
        super().__init__(
            lambda context: CellMonitorNode(robots, on_recorded, context=context), domain_id
        )
