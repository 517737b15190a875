"""The bin reset as an episode asks for it: an action client that knows when the bin moves."""

from __future__ import annotations

from collections.abc import Callable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from mtopt_control.episode.requests import CellFault
from mtopt_msgs.action import ResetBin
from mtopt_spec.interfaces import Fault

_ACTIVE = (
    GoalStatus.STATUS_ACCEPTED,
    GoalStatus.STATUS_EXECUTING,
    GoalStatus.STATUS_CANCELING,
)


class BinResetClient:
    """Asks bin_reset_node, one reset at a time.

    Args:
        node: Gets the client.
        on_over: Called whenever no reset is under way any more, whoever asked for it.
    """

    def __init__(self, node: Node, on_over: Callable[[], None]):
        self._client = ActionClient(node, ResetBin, "reset_bin")
        self._on_over = on_over
        self._goal = None
        self.under_way = False
        """A reset moves the bin: the arm is bin_reset_node's until it is over."""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(
            GoalStatusArray, "reset_bin/_action/status", self._on_status, latched
        )

    def is_there(self) -> bool:
        """True once bin_reset_node serves."""
        return self._client.server_is_ready()

    def reset(
        self, seed: int, on_done: Callable[[None], None], on_fault: Callable[[CellFault], None]
    ) -> None:
        """Asks for a reset; one of the two is called, at once or later."""
        if not self.is_there():
            on_fault(CellFault(Fault.ARM, "no bin_reset_node"))
            return

        def accepted(future) -> None:
            goal = future.result()
            if not goal.accepted:
                on_fault(CellFault(Fault.ARM, "bin_reset_node refused the reset"))
                return
            self._goal = goal
            goal.get_result_async().add_done_callback(done)

        def done(future) -> None:
            self._goal = None
            result: ResetBin.Result = future.result().result
            if result.error_code:
                on_fault(CellFault(Fault.ARM, f"bin reset: {result.error_msg}"))
            else:
                on_done(None)

        self._client.send_goal_async(ResetBin.Goal(seed=seed)).add_done_callback(accepted)

    def cancel(self) -> None:
        """Asks for the bin to be levelled now, where a reset of ours is under way."""
        if self._goal is not None:
            self._goal.cancel_goal_async()
            self._goal = None

    def _on_status(self, message: GoalStatusArray) -> None:
        self.under_way = any(status.status in _ACTIVE for status in message.status_list)
        if not self.under_way:
            self._on_over()
