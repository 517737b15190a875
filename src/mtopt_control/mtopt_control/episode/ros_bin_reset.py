"""The bin reset as an episode asks for it: an action client that knows when the bin moves."""

from __future__ import annotations

from collections.abc import Callable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.action import ActionClient
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from mtopt_control.episode.requests import CellFault
from mtopt_msgs.action import ResetBin
from mtopt_spec.interfaces import Fault

_ACTIVE = (GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)
"""Not ACCEPTED: so a goal stays for ever that its server dropped, see `BinResetClient`."""


class BinResetClient:
    """Asks bin_reset_node, one reset at a time.

    A server drops a goal whose client it has not yet found, which can happen in a cell's first
    seconds. A reset is therefore asked for again until it is accepted; where the first goal was
    only slow, bin_reset_node is busy with it and refuses the second.

    Args:
        node: Gets the client.
        on_over: Called whenever no reset is under way any more, whoever asked for it.
        ask_again_s: Wall time between two goals.
    """

    def __init__(self, node: Node, on_over: Callable[[], None], ask_again_s: float = 1.0):
        self._client = ActionClient(node, ResetBin, "reset_bin")
        self._on_over = on_over
        self._asked = False  # from our request until its result
        self._cancel = False
        self._goal = None
        self._moves = False  # says bin_reset_node
        self._ask: Callable[[], None] | None = None
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._again = node.create_timer(ask_again_s, lambda: self._ask(), clock=clock)
        self._again.cancel()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(
            GoalStatusArray, "reset_bin/_action/status", self._on_status, latched
        )

    @property
    def under_way(self) -> bool:
        """A reset moves the bin: the arm is bin_reset_node's until it is over.

        Ours counts from the request on, which may reach the bin before its status reaches us.
        """
        return self._asked or self._moves

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
        self._asked, self._cancel = True, False

        def accepted(future) -> None:
            goal = future.result()
            if self._goal is not None or not self._asked:
                return
            self._again.cancel()
            if not goal.accepted:
                self._ended()
                on_fault(CellFault(Fault.ARM, "bin_reset_node refused the reset"))
                return
            self._goal = goal
            goal.get_result_async().add_done_callback(done)
            if self._cancel:
                goal.cancel_goal_async()

        def done(future) -> None:
            self._ended()
            result: ResetBin.Result = future.result().result
            if result.error_code:
                on_fault(CellFault(Fault.ARM, f"bin reset: {result.error_msg}"))
            else:
                on_done(None)

        def ask() -> None:
            self._client.send_goal_async(ResetBin.Goal(seed=seed)).add_done_callback(accepted)

        self._ask = ask
        self._again.reset()
        ask()

    def cancel(self) -> None:
        """Asks for the bin to be levelled now, where a reset of ours is under way."""
        if self._asked and not self._cancel:
            self._cancel = True
            if self._goal is not None:
                self._goal.cancel_goal_async()

    def destroy(self) -> None:
        """Destroys the action client, which a node leaves behind."""
        self._client.destroy()

    def _ended(self) -> None:
        self._asked, self._goal = False, None
        if not self._moves:
            self._on_over()

    def _on_status(self, message: GoalStatusArray) -> None:
        self._moves = any(status.status in _ACTIVE for status in message.status_list)
        if not self.under_way:
            self._on_over()
