"""Runs nodes in one executor until they are done or a signal comes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from mtopt_spec.errors import InputError

try:  # takes what has arrived instead of asking every entity: half the processor time
    from rclpy.experimental import EventsExecutor
except ImportError:  # an older rclpy
    EventsExecutor = SingleThreadedExecutor


def run(
    make_nodes: Callable[[Context], Sequence[Node]],
    finished: Callable[[], bool] = lambda: False,
    executor: Callable[..., Executor] = EventsExecutor,
) -> int:
    """Spins nodes; returns the exit code: 0 after a signal or when finished, 2 for bad input.

    A signal ends the spinning, not the context: nodes can still publish while they are destroyed.

    Args:
        make_nodes: Makes the nodes in a context.
        finished: Asked after every callback; True ends the run.
        executor: Its class.
    """
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda caught, _: stopping.append(caught))
    nodes: list[Node] = []
    spinner = executor(context=context)
    try:
        nodes += make_nodes(context)
        for node in nodes:
            spinner.add_node(node)
        while not stopping and context.ok() and not finished():
            spinner.spin_once(timeout_sec=0.2)
        return 0
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ExternalShutdownException:
        return 0
    finally:
        for node in nodes:
            spinner.remove_node(node)
            node.destroy_node()
        spinner.shutdown(timeout_sec=0)
        context.try_shutdown()
