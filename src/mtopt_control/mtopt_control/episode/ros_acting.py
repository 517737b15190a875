"""Commands to arm_node and its answers, by topic."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile

from mtopt_msgs.msg import ActionCommanded, ActionSent
from mtopt_spec import ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S, Action, SentAction
from mtopt_spec.ros_parameters import robot_of
from mtopt_spec.ros_time_jump import on_clock_set_back
from mtopt_spec.time_jump import is_ahead

_EARLY_S = 1e-3


class ActionChannel:
    """One command at a time, and arm_node's answer to it.

    Args:
        node: Gets the publisher and the subscription.
        lockstep: Time stands still between an observation and the command that answers it. Else
            a command that is late by more than half a period ends a tick later.
        on_sent: Called when an answer has come.
        on_braked: Called where a second answer to one command says that its motion was broken off.
    """

    def __init__(
        self,
        node: Node,
        *,
        lockstep: bool,
        on_sent: Callable[[], None],
        on_braked: Callable[[SentAction], None],
    ):
        self._frame_id = f"{robot_of(node)}/bin"
        self._clock = None if lockstep else node.get_clock()
        self._on_sent, self._on_braked = on_sent, on_braked
        deep = QoSProfile(depth=20)
        self._commanded = node.create_publisher(ActionCommanded, "action/commanded", deep)
        node.create_subscription(ActionSent, "action/sent", self._take, deep)
        self._stamp_s: float | None = None
        self._due_s = 0.0
        self._set_back = on_clock_set_back(node, self._on_clock_set_back)
        self._sent: tuple[float, ActionSent] | None = None

    def command(
        self, action: Action, stamp_s: float, episode_id: str = "", step_index: int = 0
    ) -> None:
        """Commands an action that answers the observation of this stamp."""
        self._stamp_s = stamp_s
        due_s = stamp_s + CONTROL_PERIOD_S
        if self._clock is not None:
            now_s = self._clock.now().nanoseconds / ros_messages.NANOSECONDS
            due_s = max(due_s, now_s + 0.5 * CONTROL_PERIOD_S)
        self._due_s = due_s - _EARLY_S
        self._commanded.publish(
            ros_messages.to_action_commanded(
                action,
                header=ros_messages.to_header(stamp_s, self._frame_id),
                episode_id=episode_id,
                step_index=step_index,
            )
        )

    def _on_clock_set_back(self) -> None:
        """A command of the new time may have been said while the clock was still the old one."""
        if self._stamp_s is not None:
            self._due_s = min(self._due_s, self._stamp_s + CONTROL_PERIOD_S - _EARLY_S)

    def _take(self, message: ActionSent) -> None:
        stamp_s = ros_messages.from_time(message.header.stamp)
        again = self._sent is not None and self._sent[0] == stamp_s
        self._sent = (stamp_s, message)
        if again:
            self._on_braked(ros_messages.from_action_sent(message))
        else:
            self._on_sent()

    def is_free(self, stamp_s: float) -> bool:
        """True where no command, of this node or another, has answered this stamp or a later."""
        mine = self._stamp_s is None or self._stamp_s < stamp_s
        return mine and (self._sent is None or self._sent[0] < stamp_s)

    @property
    def awaits(self) -> bool:
        """True between a command and the end of `answer`'s wait for it."""
        return self._stamp_s is not None

    def answer(self, tick_s: float) -> SentAction | None:
        """What arm_node said to the last command, from the tick at its control period's end on."""
        if self._stamp_s is None or self._sent is None or tick_s < self._due_s:
            return None
        if self._sent[0] < self._stamp_s:
            return None
        self._stamp_s = None
        return ros_messages.from_action_sent(self._sent[1])

    def forget(self) -> None:
        """The last command's answer is of no interest any more."""
        self._stamp_s = None

    def begin_anew(self, now_s: float) -> None:
        """Time went back to `now_s`: no later stamp has been answered."""
        if self._stamp_s is not None and is_ahead(self._stamp_s, now_s):
            self._stamp_s = None
        if self._sent is not None and is_ahead(self._sent[0], now_s):
            self._sent = None
