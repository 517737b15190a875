"""Serves all policies to all robots: requests that come together are answered in one batch."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from mtopt_learning.policy.batching import BatchWindow
from mtopt_learning.policy.pinhole import PinholeCamera
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_learning.policy.q_policy import ActConfig, QFunctionPolicy, error_code
from mtopt_learning.policy.scripts import make_scripts
from mtopt_learning.qlearn.cem import CemConfig
from mtopt_msgs.srv import ChooseAction, LoadCheckpoint
from mtopt_spec import ros_messages
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.task import load_tasks


@dataclass(frozen=True)
class PolicyParameters:
    """Parameters of policy_node.

    Attributes:
        camera_size_px: Width, height that the calibration of the shoulder camera is for: the
            scripted pick looks through it. Required, as the rest of it.
        camera_intrinsics: fx, fy, cx, cy, px; the first pixel's centre is 0, 0, as in ROS.
        camera_position_bin_m: In the bin's frame.
        camera_rotation_bin: 3 x 3, row by row: bin from camera; axes x right, y down, z forward.
        tasks_file: Absolute or below the installed params/.
        checkpoint: Folder of a Q-function; loaded again when it changes; may come later.
        cem_samples: Actions tried in each iteration of the search.
        cem_elites: Best ones that the next iteration is drawn around.
        cem_iterations: Of the search.
        epsilon: Share of random actions, for collecting.
        noise: Standard deviation added to moves, in units of the largest move.
        window_s: Longest wait for other robots' requests, wall time.
        reload_period_s: Wall time between two looks at the checkpoint's folder.
        threads: Of torch; 0 leaves them as they are.
    """

    camera_size_px: tuple[int, ...]
    camera_intrinsics: tuple[float, ...]
    camera_position_bin_m: tuple[float, ...]
    camera_rotation_bin: tuple[float, ...]
    tasks_file: str = "tasks.yaml"
    checkpoint: str = ""
    cem_samples: int = CemConfig.samples
    cem_elites: int = CemConfig.elites
    cem_iterations: int = CemConfig.iterations
    epsilon: float = 0.0
    noise: float = 0.0
    window_s: float = 0.01
    reload_period_s: float = 1.0
    threads: int = 1

    def __post_init__(self):
        for name in ("cem_samples", "cem_elites", "cem_iterations", "window_s", "reload_period_s"):
            if not getattr(self, name) > 0:
                raise InputError(
                    name, where="policy_node", got=getattr(self, name), expected="above 0"
                )
        if self.cem_elites > self.cem_samples:
            raise InputError(
                "cem_elites", where="policy_node", got=self.cem_elites,
                expected=f"at most cem_samples, {self.cem_samples}",
            )  # fmt: skip
        for name, size in (
            ("camera_size_px", 2), ("camera_intrinsics", 4),
            ("camera_position_bin_m", 3), ("camera_rotation_bin", 9),
        ):  # fmt: skip
            if len(getattr(self, name)) != size:
                raise InputError(
                    name, where="policy_node", got=getattr(self, name), expected=f"{size} numbers"
                )

    def camera(self) -> PinholeCamera:
        """The shoulder camera, as the scripted pick needs it."""
        return PinholeCamera(
            *self.camera_size_px,
            *self.camera_intrinsics,
            np.array(self.camera_position_bin_m),
            np.array(self.camera_rotation_bin).reshape(3, 3),
        )


class PolicyNode(Node):
    """Answers /choose_action; loads another checkpoint without a restart."""

    def __init__(self, *, context=None, parameter_overrides=None):
        super().__init__(
            "policy_node", context=context, parameter_overrides=parameter_overrides or []
        )
        p = declare(self, PolicyParameters)
        if p.threads:
            torch.set_num_threads(p.threads)
        tasks = load_tasks(installed(p.tasks_file, "params"))
        cem = CemConfig(p.cem_samples, p.cem_elites, p.cem_iterations)
        self._q_policy = QFunctionPolicy(
            None, tasks.names, ActConfig(cem=cem, epsilon=p.epsilon, noise=p.noise)
        )
        self._policies = PolicyMux({**make_scripts(tasks, p.camera()), "qfunction": self._q_policy})
        if p.checkpoint and Path(p.checkpoint).exists():
            self._q_policy.load(Path(p.checkpoint))
        elif p.checkpoint:
            self.get_logger().warning(f"checkpoint {p.checkpoint}: not there yet; watching for it")
            self._q_policy.watch(Path(p.checkpoint))
        self._window: BatchWindow[tuple[ChooseAction.Request, PolicyRequest, Future]] = BatchWindow(
            p.window_s
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        # Many requests wait at once, and the timer fires while they do.
        together = ReentrantCallbackGroup()
        self._timer = self.create_timer(
            p.window_s, self._answer_if_due, callback_group=together, clock=steady
        )
        self._timer.cancel()  # runs only while requests wait
        self.create_timer(p.reload_period_s, self._reload, clock=steady)
        self.create_service(ChooseAction, "/choose_action", self._choose, callback_group=together)
        self.create_service(LoadCheckpoint, "/load_checkpoint", self._load)

    async def _choose(self, request: ChooseAction.Request, response: ChooseAction.Response):
        """Waits, without blocking the executor, for the batch that the request is answered in."""
        try:
            asked = ros_messages.from_choose_request(request)
        except InputError as error:
            refused = PolicyAnswer(Action(), error=error_code(error), error_msg=str(error))
            return self._told(refused, request)
        future = Future(executor=self.executor)
        if not len(self._window):
            self._timer.reset()
        self._window.add(request.robot, (request, asked, future), time.monotonic())
        self._answer_if_due()
        return await future

    def _answer_if_due(self) -> None:
        if not self._window.due(time.monotonic()):
            return
        self._timer.cancel()
        waiting = self._window.take()
        answers = self._policies.choose([asked for _, asked, _ in waiting])
        for (request, _, future), answer in zip(waiting, answers, strict=True):
            future.set_result(self._told(answer, request))

    def _told(self, answer: PolicyAnswer, request: ChooseAction.Request) -> ChooseAction.Response:
        if answer.error:
            self.get_logger().warning(f"{request.robot}: {answer.error_msg}")
        return ros_messages.to_choose_response(answer, request)

    def _load(self, request: LoadCheckpoint.Request, response: LoadCheckpoint.Response):
        try:
            self._q_policy.load(Path(request.path))
            response.loaded = True
        except InputError as error:
            self.get_logger().error(str(error))
            response.error_msg = str(error)
        response.fingerprint = self._q_policy.fingerprint
        return response

    def _reload(self) -> None:
        try:
            if self._q_policy.reload_if_changed():
                self.get_logger().info(f"serving checkpoint {self._q_policy.fingerprint}")
        except InputError as error:
            self.get_logger().error(f"{error}; the one before goes on serving")


def main() -> int:
    """Runs the node until it is told to end; 2 for a parameter or checkpoint that is wrong."""
    # the events executor does not resume a service's coroutine
    return run(lambda context: [PolicyNode(context=context)], executor=SingleThreadedExecutor)


if __name__ == "__main__":
    sys.exit(main())
