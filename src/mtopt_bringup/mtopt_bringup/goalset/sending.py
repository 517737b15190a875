"""Sends a goal to a robot of a running cell, and tells what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from mtopt_bringup.ros_visit import RosVisit
from mtopt_msgs.action import ReachGoal
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal

_CANCEL_S = 10.0


def _names(message: type, prefix: str) -> dict[int, str]:
    """What a message's constants of this prefix are called."""
    constants = (name for name in dir(message) if name.startswith(prefix))
    return {getattr(message, name): name.removeprefix(prefix).lower() for name in constants}


_STATES = _names(ReachGoal.Feedback, "STATE_")
_ERRORS = _names(ReachGoal.Result, "ERROR_")


@dataclass(frozen=True)
class Feedback:
    """What the robot tells on its way.

    Attributes:
        state: `reset_bin`, `home`, `step`, `judge` or `record`.
        step: Control step.
        q: Of the last action, in [0, 1]; NaN without one.
        distance_m: Of the object from where the picture shows it; NaN where unknown.
    """

    state: str
    step: int
    q: float
    distance_m: float


@dataclass(frozen=True)
class SendConfig:
    """How a goal is sent.

    Attributes:
        robot: Namespace of the robot.
        policy: Name of the one that is to reach it; "": the robot's own choice.
        seed: Of what is drawn in the episode.
        reset_bin: Tip the bin first.
        timeout_s: Wall time to find the robot.
    """

    robot: str
    policy: str = ""
    seed: int = 0
    reset_bin: bool = False
    timeout_s: float = 30.0


def send_goal(goal: Goal, config: SendConfig, on_feedback: Callable[[Feedback], None]) -> dict:
    """Has a robot of a running cell reach a goal; Ctrl-C cancels its episode.

    Args:
        goal: What is to be reached.
        config: How.
        on_feedback: Called with what the robot tells.

    Returns:
        `error` (`none`, or as `ERROR_*` of ReachGoal.action), `error_msg`, and of the episode
        `episode_id`, `steps`, `success` (None where nobody judged), `success_source`; as the robot
        told last `q`, `distance_m`.

    Raises:
        InputError: No such robot takes goals, or it is gone.
    """
    name = f"/{config.robot}/reach_goal"
    last = Feedback("", 0, math.nan, math.nan)

    def hear(message) -> None:
        nonlocal last
        f = message.feedback
        last = Feedback(_STATES.get(f.state, ""), f.step_index, f.q_value, f.distance_m)
        on_feedback(last)

    with RosVisit(lambda context: Node("goal_sender", context=context)) as visit:
        client = ActionClient(visit.node, ReachGoal, name)
        if not visit.until(client.server_is_ready, config.timeout_s):
            raise InputError(
                "robot", where=name, got=f"no such action in {config.timeout_s:g} s",
                expected="a cell that runs with --on-request",
                todo="start it, and set the ROS_DOMAIN_ID that it has",
            )  # fmt: skip
        message = ReachGoal.Goal(
            goal=ros_messages.to_goal(goal), policy=config.policy, seed=config.seed,
            reset_bin=config.reset_bin,
        )  # fmt: skip
        sent = client.send_goal_async(message, hear)
        try:
            if not visit.until(sent.done, config.timeout_s):
                raise InputError(
                    "robot", where=name, got=f"no answer in {config.timeout_s:g} s", expected="one"
                )
            answer = sent.result().get_result_async()
            visit.until(lambda: answer.done() or not client.server_is_ready(), math.inf)
        except KeyboardInterrupt:
            _cancel(visit, sent)
            raise
        if not answer.done():
            raise InputError("robot", where=name, got="the cell has ended", expected="a result")
        result: ReachGoal.Result = answer.result().result
    end = result.end
    judged = bool(end.success_source) and end.success_source != "none"
    return {
        "error": _ERRORS.get(result.error_code, str(result.error_code)),
        "error_msg": result.error_msg,
        "episode_id": end.episode_id,
        "steps": end.steps,
        "success": bool(end.success) if judged else None,
        "success_source": end.success_source or "none",
        "q": last.q,
        "distance_m": last.distance_m,
    }


def _cancel(visit: RosVisit, sent: Future) -> None:
    """Takes a goal back, once the robot has taken it."""
    if visit.until(sent.done, _CANCEL_S):
        visit.until(sent.result().cancel_goal_async().done, _CANCEL_S)
        visit.until(sent.result().get_result_async().done, _CANCEL_S)
