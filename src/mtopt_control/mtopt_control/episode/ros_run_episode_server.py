"""The RunEpisode action: one episode on request, by the same generator as a whole run."""

from __future__ import annotations

import math
from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.task import Future

from mtopt_control.episode.machine import Outcome, SingleEpisode
from mtopt_control.episode.requests import Act, AskTask, Choose, End, Judge, LabelByTruth, ResetBin
from mtopt_msgs.action import RunEpisode
from mtopt_spec import ros_messages
from mtopt_spec.interfaces import Fault
from mtopt_spec.ros_parameters import robot_of
from mtopt_spec.task import TaskList

_ERROR_OF = {
    Fault.STALE_OBSERVATION: RunEpisode.Result.ERROR_STALE_OBSERVATION,
    Fault.ARM: RunEpisode.Result.ERROR_ARM,
    Fault.POLICY: RunEpisode.Result.ERROR_POLICY,
    Fault.JUDGE: RunEpisode.Result.ERROR_JUDGE,
    Fault.RECORDER: RunEpisode.Result.ERROR_RECORDER,
    Fault.INTERRUPTED: RunEpisode.Result.ERROR_CANCELED,
}
_STATE_OF = {
    AskTask: RunEpisode.Feedback.STATE_ASSIGN,
    ResetBin: RunEpisode.Feedback.STATE_RESET_BIN,
    Choose: RunEpisode.Feedback.STATE_STEP,
    Judge: RunEpisode.Feedback.STATE_JUDGE,
    LabelByTruth: RunEpisode.Feedback.STATE_JUDGE,
    End: RunEpisode.Feedback.STATE_RECORD,
}


class RunEpisodeServer:
    """Serves `run_episode` for a node that can start single episodes.

    Args:
        node: Gets the action server.
        start: Starts an episode and calls back with its outcome; False where one is running.
        tasks: Of the cell.
        first_number: Of the first episode.
    """

    def __init__(
        self,
        node: Node,
        start: Callable[[SingleEpisode, Callable[[Outcome | None], None]], bool],
        tasks: TaskList,
        first_number: int = 0,
    ):
        self._node = node
        self._start = start
        self._tasks = tasks
        self._number = first_number
        self._goal = None
        self._canceling = False
        self._server = ActionServer(
            node,
            RunEpisode,
            "run_episode",
            self._execute,
            goal_callback=lambda goal: GoalResponse.ACCEPT,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    async def _execute(self, goal) -> RunEpisode.Result:
        request: RunEpisode.Goal = goal.request
        if request.task and request.task not in self._tasks.names:
            return self._refuse(
                goal,
                RunEpisode.Result.ERROR_UNKNOWN_TASK,
                f"task {request.task!r}, expected one of {list(self._tasks.names)}",
            )
        single = SingleEpisode(
            request.task, request.policy, request.seed, request.reset_bin, self._number
        )
        done = Future(executor=self._node.executor)
        if not self._start(single, done.set_result):
            return self._refuse(goal, RunEpisode.Result.ERROR_BUSY, "an episode is running")
        self._number += 1
        self._goal, self._canceling = goal, False
        outcome: Outcome | None = await done
        self._goal = None
        if outcome is None:
            return self._refuse(
                goal, RunEpisode.Result.ERROR_CANCELED, "the scheduler has no more tasks"
            )
        result = RunEpisode.Result(
            error_code=_ERROR_OF.get(outcome.fault, RunEpisode.Result.ERROR_NONE),
            error_msg=outcome.message,
        )
        if outcome.end is not None:
            result.end = ros_messages.to_episode_end(outcome.end, robot=robot_of(self._node))
        if not outcome.void:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    def _refuse(self, goal, code: int, message: str) -> RunEpisode.Result:
        goal.abort()
        return RunEpisode.Result(error_code=code, error_msg=message)

    def feedback(self, request) -> None:
        """Tells the client what the episode does now."""
        if self._goal is None:
            return
        state = _STATE_OF.get(type(request))
        if isinstance(request, Act) and not request.episode_id:
            state = RunEpisode.Feedback.STATE_HOME
        if state is None:
            return
        self._goal.publish_feedback(
            RunEpisode.Feedback(
                state=state,
                step_index=request.request.step_index if isinstance(request, Choose) else 0,
                q_value=self.q_value,
            )
        )

    q_value = math.nan
    """Of the last action."""

    def cancel_requested(self) -> bool:
        """True once for a goal whose client wants it to end."""
        if self._goal is None or self._canceling or not self._goal.is_cancel_requested:
            return False
        self._canceling = True
        return True
