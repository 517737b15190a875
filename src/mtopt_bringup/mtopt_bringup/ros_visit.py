"""A node of a command's own that visits a cell: it comes, listens or asks, and goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

AnyNode = TypeVar("AnyNode", bound=Node)


class RosVisit(Generic[AnyNode]):
    """A node with a context and executor of its own; use it as a context manager.

    Args:
        make: Makes the node.
        domain_id: Of the cell; None takes ROS_DOMAIN_ID.
        executor: Its class.
    """

    def __init__(
        self,
        make: Callable[[Context], AnyNode],
        domain_id: int | None = None,
        executor: Callable[..., Executor] = SingleThreadedExecutor,
    ):
        self._context = Context()
        self._context.init(domain_id=domain_id)
        self.node = make(self._context)
        self._executor = executor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._executor.shutdown(timeout_sec=0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def listen(self, wall_s: float) -> None:
        """Takes what comes for so long."""
        self.until(lambda: False, wall_s)

    def until(self, condition: Callable[[], bool], wall_s: float) -> bool:
        """Takes what comes until a condition holds; False where it does not after so long."""
        deadline_s = time.monotonic() + wall_s
        while not condition():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, 0.1))
        return True
