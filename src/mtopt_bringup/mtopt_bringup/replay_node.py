"""Asks the policy node about every state of a bag, one at a time; nothing moves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node

from mtopt_bringup.replay import Comparison, questions
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_msgs.srv import ChooseAction
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyRequest
from mtopt_spec.ros_parameters import declare
from mtopt_spec.ros_run import run


@dataclass(frozen=True)
class ReplayParameters:
    """Parameters of replay_node.

    Attributes:
        bag: A bag, or a folder of bags.
        policy: `bootstrap` (who acted then), `qfunction`, `random` or a script's name.
        episodes: So many; 0: all.
        report: JSON file of the comparison; empty: the log alone.
        answer_timeout_s: Wall time without an answer after which it gives up.
    """

    bag: str = ""
    policy: str = "bootstrap"
    episodes: int = 0
    report: str = ""
    answer_timeout_s: float = 60.0


class ReplayNode(Node):
    """Goes through the bag as the policy answers."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "replay_node", context=context, parameter_overrides=parameter_overrides or [],
            **options,
        )  # fmt: skip
        self._settings = p = declare(self, ReplayParameters)
        if not p.bag:
            raise InputError("bag", where="replay_node", got="''", expected="a bag or a folder")
        self._compared: dict[str, Comparison] = {}
        self._questions = self._read(find_bags([Path(p.bag)]))
        self._policy = self.create_client(ChooseAction, "/choose_action")
        self._recorded: tuple[PolicyRequest, np.ndarray] | None = None
        self._asked_ns = 0
        self.finished, self.failure = False, ""
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._began_ns = self._steady.now().nanoseconds
        self._timer = self.create_timer(0.1, self._watch, clock=self._steady)

    def _read(self, bags: list[Path]) -> Iterator[tuple[PolicyRequest, np.ndarray]]:
        def episodes():
            for bag in bags:
                with BagReader(bag) as reader:
                    yield from reader.episodes()

        for episode in islice(episodes(), self._settings.episodes or None):
            yield from questions(episode, self._policy_of(episode.begin.policy))

    def _policy_of(self, recorded: str) -> str:
        """`bootstrap` is the scheduler's word for each task's own script: the recorded one."""
        return recorded if self._settings.policy == "bootstrap" else self._settings.policy

    def _watch(self) -> None:
        """Begins when the policy is there; gives up when it is silent."""
        now_ns = self._steady.now().nanoseconds
        if self._recorded is None and not self.finished:
            if self._policy.service_is_ready():
                self._next()
            waited_ns = now_ns - self._began_ns
        else:
            waited_ns = now_ns - self._asked_ns
        if waited_ns > self._settings.answer_timeout_s * 1e9 and not self.finished:
            self._end(f"no answer of {self._policy.srv_name}")

    def _next(self) -> None:
        self._recorded = next(self._questions, None)
        if self._recorded is None:
            self._end()
            return
        self._asked_ns = self._steady.now().nanoseconds
        request = ros_messages.to_choose_request(self._recorded[0])
        self._policy.call_async(request).add_done_callback(self._on_answer)

    def _on_answer(self, future) -> None:
        request, commanded = self._recorded
        answer = ros_messages.from_choose_response(future.result())
        if answer.error:
            self.get_logger().warning(f"{request.task}: {answer.error_msg}", once=True)
        self._compared.setdefault(request.task, Comparison()).add(answer, commanded)
        self._next()

    def _end(self, failure: str = "") -> None:
        self.failure, self.finished = failure, True
        result = {task: compared.result() for task, compared in sorted(self._compared.items())}
        for task, figures in result.items():
            self.get_logger().info(f"{task}: {json.dumps(figures)}")
        if not failure and not any(figures["steps"] for figures in result.values()):
            self.failure = "the policy answered none of the bag's states"
        if self.failure:
            self.get_logger().error(self.failure)
        if self._settings.report:
            Path(self._settings.report).write_text(json.dumps(result, indent=2) + "\n")


def main() -> int:
    """Runs until the bag is over; 1 where the policy did not answer."""
    nodes: list[ReplayNode] = []

    def make(context: Context) -> list[ReplayNode]:
        nodes.append(ReplayNode(context=context))
        return nodes

    code = run(make, lambda: any(node.finished for node in nodes))
    return code or int(any(node.failure for node in nodes))


if __name__ == "__main__":
    sys.exit(main())
