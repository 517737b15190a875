"""Judges last states for all robots: those that come together in one evaluation."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from mtopt_learning.policy.batching import BatchWindow
from mtopt_learning.success.detector import SuccessDetector
from mtopt_msgs.srv import JudgeSuccess
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.task import load_tasks


@dataclass(frozen=True)
class DetectorParameters:
    """Parameters of success_detector_node.

    Attributes:
        tasks_file: Absolute or below the installed params/.
        checkpoint: Folder of a detector; without one every request is refused.
        window_s: Longest wait for other robots' requests, wall time.
        threads: Of torch; 0 leaves them as they are.
    """

    tasks_file: str = "tasks.yaml"
    checkpoint: str = ""
    window_s: float = 0.005
    threads: int = 1

    def __post_init__(self):
        if not self.window_s > 0:
            raise InputError(
                "window_s", where="success_detector_node", got=self.window_s, expected="above 0"
            )


class SuccessDetectorNode(Node):
    """Answers /judge_success."""

    def __init__(self, *, context=None, parameter_overrides=None):
        super().__init__(
            "success_detector_node", context=context, parameter_overrides=parameter_overrides or []
        )
        p = declare(self, DetectorParameters)
        if p.threads:
            torch.set_num_threads(p.threads)
        tasks = load_tasks(installed(p.tasks_file, "params"))
        self._tasks = tasks.names
        self._detector = (
            SuccessDetector.load(Path(p.checkpoint), tasks.names) if p.checkpoint else None
        )
        self._window: BatchWindow[tuple[JudgeSuccess.Request, Future]] = BatchWindow(p.window_s)
        together = ReentrantCallbackGroup()
        self._timer = self.create_timer(
            p.window_s,
            self._answer_if_due,
            callback_group=together,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._timer.cancel()  # runs only while requests wait
        self.create_service(JudgeSuccess, "/judge_success", self._judge, callback_group=together)

    async def _judge(self, request: JudgeSuccess.Request, response: JudgeSuccess.Response):
        """Waits, without blocking the executor, for the batch that the request is judged in."""
        future = Future(executor=self.executor)
        if not len(self._window):
            self._timer.reset()
        self._window.add(request.robot, (request, future), time.monotonic())
        self._answer_if_due()
        return await future

    def _answer_if_due(self) -> None:
        if not self._window.due(time.monotonic()):
            return
        self._timer.cancel()
        waiting = self._window.take()
        for (_, future), response in zip(
            waiting, self._answers([request for request, _ in waiting]), strict=True
        ):
            future.set_result(response)

    def _answers(self, requests: list[JudgeSuccess.Request]) -> list[JudgeSuccess.Response]:
        """One response a request; one that cannot be judged does not spoil the others."""
        responses = [self._refusal(request) for request in requests]
        open_ones = [i for i, response in enumerate(responses) if response is None]
        asked = [ros_messages.from_judge_request(requests[i])[:2] for i in open_ones]
        try:
            labels = self._detector.judge_all(asked) if asked else []
        except InputError:  # one of them: find out which
            labels = [self._judge_alone(*one) for one in asked]
        for i, judged in zip(open_ones, labels, strict=True):
            wanted = set(requests[i].tasks or self._tasks)
            responses[i] = (
                judged
                if isinstance(judged, JudgeSuccess.Response)
                else JudgeSuccess.Response(
                    labels=[ros_messages.to_label(x) for x in judged if x.task in wanted]
                )
            )
        return responses

    def _judge_alone(self, robot, observation):
        try:
            return self._detector.judge(robot, observation)
        except InputError as error:
            self.get_logger().warning(str(error))
            return _error(JudgeSuccess.Request.ERROR_BAD_IMAGE, str(error))

    def _refusal(self, request: JudgeSuccess.Request) -> JudgeSuccess.Response | None:
        if self._detector is None:
            return _error(
                JudgeSuccess.Request.ERROR_NO_DETECTOR,
                "success_detector_node: parameter checkpoint is empty; train a detector with "
                "`mtopt success train` and name its folder",
            )
        unknown = sorted(set(request.tasks) - set(self._tasks))
        if unknown:
            return _error(
                JudgeSuccess.Request.ERROR_UNKNOWN_TASK,
                f"tasks of {request.robot}: got {unknown}, expected some of {list(self._tasks)}",
            )
        return None


def _error(code: int, message: str) -> JudgeSuccess.Response:
    return JudgeSuccess.Response(error_code=code, error_msg=message)


def main() -> int:
    """Runs the node until it is told to end; 2 for a parameter or checkpoint that is wrong."""
    # the events executor does not resume a service's coroutine
    return run(
        lambda context: [SuccessDetectorNode(context=context)], executor=SingleThreadedExecutor
    )


if __name__ == "__main__":
    sys.exit(main())
