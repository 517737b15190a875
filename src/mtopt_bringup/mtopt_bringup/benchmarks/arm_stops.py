"""Stops robots of a running cell in the middle of their motions."""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np

from mtopt_spec.errors import InputError


def stops_ms(robots: int, stops: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calls arm/stop of one robot after the other while it moves.

    Returns:
        (stops,) ms from the call to the answer that the arm brakes, and to the set point's rest.

    Raises:
        RuntimeError: The cell ended before all were stopped.
    """
    from mtopt_bringup.domain import domain_environment
    from mtopt_bringup.graph import CellOptions
    from mtopt_bringup.ros_cell import run_cell

    os.environ.update(domain_environment())
    with tempfile.TemporaryDirectory() as folder, _Stopper(robots, stops, seed) as stopper:
        options = CellOptions(
            robots=robots, episodes=10_000, out=folder, seed=seed, lockstep=False,
            run="stops", tasks=("lift-any",),
        )  # fmt: skip
        run = run_cell(options, while_running=stopper.go_on)
        if not stopper.done:
            raise RuntimeError(f"the cell ended before all was measured: {run.failure}")
    return np.array(stopper.hold_ms), np.array(stopper.rest_ms)


class _Stopper:
    """Waits for a robot's motion, stops it, notes when it holds, and lets it go on."""

    def __init__(self, robots: int, stops: int, seed: int):
        if robots < 1 or stops < 1:
            raise InputError(
                "robots, stops", where="benchmark arm", got=(robots, stops), expected="above 0"
            )
        self._robots, self._stops = robots, stops
        self._random = np.random.default_rng(seed)
        self.hold_ms: list[float] = []
        self.rest_ms: list[float] = []
        self._started = False

    @property
    def done(self) -> bool:
        """All stops are measured."""
        return len(self.hold_ms) >= self._stops

    def __enter__(self):
        from rclpy.node import Node
        from std_srvs.srv import Trigger
        from trajectory_msgs.msg import JointTrajectory

        from mtopt_bringup.ros_visit import RosVisit
        from mtopt_msgs.msg import ActionSent
        from mtopt_spec.ros_run import EventsExecutor

        self._visit = RosVisit(
            lambda context: Node("benchmark", context=context), executor=EventsExecutor
        )
        node = self._visit.node
        self._sent: dict[str, tuple[float, ActionSent]] = {}
        self._rest_s: dict[str, float] = {}
        self._clients = {}
        for i in range(self._robots):
            name = f"robot_{i + 1}"
            node.create_subscription(
                ActionSent,
                f"/{name}/action/sent",
                lambda message, name=name: self._sent.__setitem__(
                    name, (time.perf_counter(), message)
                ),
                20,
            )
            node.create_subscription(
                JointTrajectory,
                f"/{name}/joint_trajectory",
                lambda message, name=name: self._rest_s.__setitem__(
                    name, time.perf_counter() + _duration_s(message)
                ),
                20,
            )
            self._clients[name] = {
                what: node.create_client(Trigger, f"/{name}/arm/{what}")
                for what in ("stop", "resume")
            }
        return self

    def __exit__(self, *exception) -> None:
        self._visit.__exit__(*exception)

    def go_on(self, supervisor) -> None:
        """Called while the cell runs: one stop at a time; ends the cell when all is measured."""
        if not self._started:
            self._visit.listen(0.02)
            self._started = len(self._sent) == self._robots
        elif not self.done:
            self._stop_one(f"robot_{1 + len(self.hold_ms) % self._robots}")
        else:
            raise KeyboardInterrupt  # as a person would end it

    def _stop_one(self, name: str) -> None:
        from std_srvs.srv import Trigger

        from mtopt_msgs.msg import ActionCommanded, ActionSent

        moving = {ActionCommanded.KIND_STEP, ActionCommanded.KIND_HOME}
        self._sent.pop(name, None)
        if not self._visit.until(
            lambda: name in self._sent and self._sent[name][1].kind in moving, 5.0
        ):
            return
        began_s = self._sent[name][0]
        wait_s = self._random.uniform(0.0, 0.1)
        while time.perf_counter() < began_s + wait_s:
            self._visit.listen(0.001)
        called_s = time.perf_counter()
        self._clients[name]["stop"].call_async(Trigger.Request())
        stopped = ActionSent.ERROR_STOPPED
        held = self._visit.until(lambda: self._sent[name][1].error_code == stopped, 2.0)
        if held:
            self.hold_ms.append(1e3 * (self._sent[name][0] - called_s))
            self._visit.listen(0.02)  # the braking's trajectory may come after its answer
            self.rest_ms.append(1e3 * (self._rest_s[name] - called_s))
        resumed = self._clients[name]["resume"].call_async(Trigger.Request())
        self._visit.until(resumed.done, 5.0)


def _duration_s(message) -> float:
    """Of a trajectory message."""
    last = message.points[-1].time_from_start
    return last.sec + 1e-9 * last.nanosec
