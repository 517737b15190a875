"""Tells a node when time went back, on whatever clock it goes."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import JumpHandle, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

from mtopt_spec.time_jump import JUMP_S, StampWatch


def on_clock_set_back(node: Node, callback: Callable[[], None]) -> JumpHandle:
    """Calls back when the node's clock was set back, as `/clock` is by a new simulator or a replay.

    Returns:
        What holds the callback: keep it.
    """
    threshold = JumpThreshold(
        min_forward=None, min_backward=Duration(seconds=-JUMP_S), on_clock_change=False
    )
    return node.get_clock().create_jump_callback(threshold, post_callback=lambda jump: callback())


class TimeJumps:
    """Calls a node's method when time went back.

    With `/clock` the node's clock tells of it. In lockstep and on wall time nodes go by the stamps
    of what they hear, so those tell of it, too. Whichever comes second tells of nothing new.

    Args:
        node: Whose clock is watched.
        on_jump: Given the new time, s, it forgets what the node knows by later stamps. Called
            before the message that is new; again where an old message has come in between.
    """

    def __init__(self, node: Node, on_jump: Callable[[float], None]):
        self._node = node
        self._on_jump = on_jump
        self._watch = StampWatch()
        self._handle = on_clock_set_back(node, self._on_clock)

    def see(self, stream: str, stamp_s: float) -> None:
        """Takes the stamp of a message before the message is used."""
        if self._watch.went_back(stream, stamp_s):
            self._begin_anew(stream, stamp_s)

    def _on_clock(self) -> None:
        now_s = self._node.get_clock().now().nanoseconds * 1e-9
        if self._watch.set_back(now_s):
            self._begin_anew("the clock", now_s)

    def _begin_anew(self, what: str, now_s: float) -> None:
        self._node.get_logger().warning(f"time went back, {what} to {now_s:.3f} s: begins anew")
        self._on_jump(now_s)
