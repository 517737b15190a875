"""Stops robots of a running cell in the middle of their motions."""

from __future__ import annotations

import math
import os
import tempfile
import time

import numpy as np

from mtopt_spec.errors import InputError

_TOGETHER_S = 0.01
"""What the arm publishes of one braking is published within less."""
_STOPS_A_CELL = 14  # a stopped episode is void, and thirty of these in a row end a cell


def stops_ms(robots: int, stops: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calls arm/stop of one robot after the other while it moves.

    All instants but the call's are those at which the arm's node published, not those at which this
    process got to hear of it: it waits for a busy processor, too.

    Returns:
        (stops,) ms from the call until the arm brakes or, where its motion was over by then, rests,
        and to the set point's rest.

    Raises:
        RuntimeError: The cell ended before all were stopped.
    """
    hold_ms, rest_ms = [], []
    while len(hold_ms) < stops:
        few = min(_STOPS_A_CELL, stops - len(hold_ms))
        stopper = _stop_in_a_cell(robots, few, seed + len(hold_ms))
        hold_ms += stopper.hold_ms
        rest_ms += stopper.rest_ms
    return np.array(hold_ms), np.array(rest_ms)


def _stop_in_a_cell(robots: int, stops: int, seed: int) -> _Stopper:
    from mtopt_bringup.cell_options import CellOptions
    from mtopt_bringup.domain import domain_environment
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
    return stopper


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

        self._visit = RosVisit(lambda context: Node("benchmark", context=context))
        node = self._visit.node
        self._sent: dict[str, tuple[float, ActionSent]] = {}
        self._rests: dict[str, list[tuple[float, float]]] = {}
        self._clients = {}

        def on_sent(name: str, message: ActionSent, info: dict) -> None:
            self._sent[name] = _published_s(info), message

        def on_trajectory(name: str, message: JointTrajectory, info: dict) -> None:
            began_s = _published_s(info)
            self._rests.setdefault(name, []).append((began_s, began_s + _duration_s(message)))

        for i in range(self._robots):
            name = f"robot_{i + 1}"
            node.create_subscription(
                ActionSent,
                f"/{name}/action/sent",
                lambda message, info, name=name: on_sent(name, message, info),
                20,
            )
            node.create_subscription(
                JointTrajectory,
                f"/{name}/joint_trajectory",
                lambda message, info, name=name: on_trajectory(name, message, info),
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
        while time.time() < began_s + wait_s:
            self._visit.listen(0.001)
        if time.time() > self._rest_s(name, math.inf):
            return  # this process came late
        called_s = time.time()
        self._clients[name]["stop"].call_async(Trigger.Request())
        stopped = ActionSent.ERROR_STOPPED
        held = self._visit.until(lambda: self._sent[name][1].error_code == stopped, 2.0)
        if held:
            answered_s = self._sent[name][0]
            # Of a motion that was over the answer comes with the next command, maybe much later.
            over_s = max(called_s, self._rest_s(name, answered_s - _TOGETHER_S))
            self.hold_ms.append(1e3 * (min(answered_s, over_s) - called_s))
            self._visit.listen(0.1)  # the braking's trajectory may come after its answer
            rest_s = self._rest_s(name, answered_s + _TOGETHER_S)
            self.rest_ms.append(1e3 * (max(rest_s, called_s) - called_s))
        resumed = self._clients[name]["resume"].call_async(Trigger.Request())
        self._visit.until(resumed.done, 5.0)

    def _rest_s(self, name: str, until_s: float) -> float:
        """When the last trajectory that was published until then comes to its end."""
        before = [rest for rest in self._rests.get(name, []) if rest[0] <= until_s]
        return max(before, default=(-math.inf, -math.inf))[1]


def _published_s(info: dict) -> float:
    """Wall time at which a message was published."""
    return 1e-9 * info["source_timestamp"]


def _duration_s(message) -> float:
    """Of a trajectory message."""
    last = message.points[-1].time_from_start
    return last.sec + 1e-9 * last.nanosec
