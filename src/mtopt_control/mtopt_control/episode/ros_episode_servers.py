"""The actions run_episode and reach_goal: an episode on request, by the generator of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger

from mtopt_control.episode.machine import SingleEpisode
from mtopt_control.episode.one_episode import Outcome
from mtopt_control.episode.requests import Act, AskTask, Choose, End, Judge, LabelByTruth, ResetBin
from mtopt_msgs.action import ReachGoal, RunEpisode
from mtopt_msgs.msg import SceneTruth
from mtopt_spec import bag_topics, ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal, GoalTruth
from mtopt_spec.interfaces import Fault
from mtopt_spec.ros_parameters import robot_of
from mtopt_spec.task import TaskList

GOAL_POLICY = "qfunction"
"""Of an episode that is to reach a goal, where no policy is named."""
_ERROR_OF = {fault: fault.name for fault in Fault} | {Fault.INTERRUPTED: "CANCELED"}
_STATE_OF = {
    AskTask: "ASSIGN",
    ResetBin: "RESET_BIN",
    Choose: "STEP",
    Judge: "JUDGE",
    LabelByTruth: "JUDGE",
    End: "RECORD",
}
"""Names of `ERROR_*` and `STATE_*`, which both actions have."""


class EpisodeServers:
    """Serves `run_episode` and `reach_goal` for a node that can start single episodes.

    Args:
        node: Gets the action servers.
        start: Starts an episode and calls back with its outcome; False where one is running.
        tasks: Of the cell.
        camera_names: That may have taken a goal picture; each has a topic for its newest one.
        simulator: The simulator tells on `/truth/<robot>/scene` where things are.
        first_number: Of the first episode.
    """

    def __init__(
        self,
        node: Node,
        start: Callable[[SingleEpisode, Callable[[Outcome | None], None]], bool],
        tasks: TaskList,
        camera_names: Sequence[str],
        *,
        simulator: bool = False,
        first_number: int = 0,
    ):
        self._node, self._start = node, start
        self._tasks, self._cameras = tasks, tuple(camera_names)
        self._number = first_number
        self._goal = self._action = None
        self._wanted: GoalTruth | None = None
        self._canceling = False
        self._images_jpeg: dict[str, bytes] = {}
        self._scene: SceneTruth | None = None
        self.q_value = math.nan
        """Of the episode's last action; NaN before the first."""
        accept = {
            "goal_callback": lambda goal: GoalResponse.ACCEPT,
            "cancel_callback": lambda goal: CancelResponse.ACCEPT,
        }
        self._servers = [
            ActionServer(node, RunEpisode, "run_episode", self._run_episode, **accept),
            ActionServer(node, ReachGoal, "reach_goal", self._reach_goal, **accept),
        ]
        node.create_service(Trigger, "reach_goal_now", self._reach_goal_now)
        newest = QoSProfile(depth=1)
        self._topics = {camera: bag_topics.wanted_image(camera).name for camera in self._cameras}
        for camera, topic in self._topics.items():
            take = partial(self._on_image, camera)
            node.create_subscription(CompressedImage, topic, take, newest)
        if simulator:
            scene = f"/truth/{robot_of(node)}/scene"
            node.create_subscription(SceneTruth, scene, self._on_scene, newest)

    def destroy(self) -> None:
        """Destroys the action servers, which a node leaves behind."""
        for server in self._servers:
            server.destroy()

    def _on_image(self, camera: str, message: CompressedImage) -> None:
        """An empty picture takes back the one before."""
        self._images_jpeg[camera] = bytes(message.data)

    def _newest(self) -> Goal | None:
        """The newest picture of every camera that has one."""
        pictures = {c: self._images_jpeg[c] for c in self._cameras if self._images_jpeg.get(c)}
        return Goal(pictures) if pictures else None

    def _on_scene(self, message: SceneTruth) -> None:
        self._scene = message

    # --- one action each -----------------------------------------------------------------------

    async def _run_episode(self, goal) -> RunEpisode.Result:
        request: RunEpisode.Goal = goal.request
        if request.task and request.task not in self._tasks.names:
            return _refuse(
                goal,
                RunEpisode,
                "UNKNOWN_TASK",
                f"task {request.task!r}, expected one of {list(self._tasks.names)}",
            )
        single = SingleEpisode(
            request.task, request.policy, request.seed, request.reset_bin, self._number
        )
        return await self._run(goal, RunEpisode, single)

    async def _reach_goal(self, goal) -> ReachGoal.Result:
        request: ReachGoal.Goal = goal.request
        try:
            if ros_messages.from_goal_pictures(request.goal) is None:
                newest = ros_messages.to_goal(self._newest())
                request.goal.camera_names, request.goal.images = newest.camera_names, newest.images
            wanted = ros_messages.from_goal(request.goal)
            if wanted is not None:
                wanted.check_cameras(self._cameras, "goal")
        except InputError as error:
            return _refuse(goal, ReachGoal, "BAD_GOAL", str(error))
        if wanted is None:
            why = f"none in the goal nor on {', '.join(self._topics.values())}"
            return _refuse(goal, ReachGoal, "NO_IMAGE", why)
        single = self._reaching(wanted, request.policy, request.seed, request.reset_bin)
        return await self._run(goal, ReachGoal, single)

    def _reach_goal_now(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Starts an episode that is to reach the newest pictures, for who has no action client."""
        wanted = self._newest()
        if wanted is None:
            response.message = f"no picture has come on {', '.join(self._topics.values())}"
            return response
        single = self._reaching(wanted, "", self._number, False)
        response.success = self._start(single, lambda outcome: None)
        response.message = "started" if response.success else "an episode is running"
        self._number += response.success
        return response

    def _reaching(self, wanted: Goal, policy: str, seed: int, reset_bin: bool) -> SingleEpisode:
        return SingleEpisode(
            REACH_GOAL, policy or GOAL_POLICY, seed, reset_bin, self._number, wanted
        )

    # --- what they share -----------------------------------------------------------------------

    async def _run(self, goal, action, single: SingleEpisode):
        """Runs an episode for a goal of one of the actions; returns the action's result."""
        done = Future(executor=self._node.executor)
        if not self._start(single, done.set_result):
            return _refuse(goal, action, "BUSY", "an episode is running")
        self._number += 1
        self._goal, self._action, self._canceling = goal, action, False
        self.q_value = math.nan
        self._wanted = single.goal.truth if single.goal is not None else None
        outcome: Outcome | None = await done
        if self._goal is goal:  # else the next one has begun
            self._goal = self._wanted = None
        if outcome is None:
            return _refuse(goal, action, "CANCELED", "the scheduler has no more tasks")
        result = action.Result(
            error_code=_error(action, _ERROR_OF[outcome.fault]), error_msg=outcome.message
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

    def feedback(self, request) -> None:
        """Tells the client what the episode does now."""
        if self._goal is None:
            return
        state = _STATE_OF.get(type(request))
        if isinstance(request, Act) and not request.episode_id:
            state = "HOME"
        if state is None:
            return
        feedback = self._action.Feedback(
            state=getattr(self._action.Feedback, f"STATE_{state}"),
            step_index=request.request.step_index if isinstance(request, Choose) else 0,
            q_value=self.q_value,
        )
        if self._action is ReachGoal:
            feedback.distance_m = _distance_m(self._scene, self._wanted)
        self._goal.publish_feedback(feedback)

    def cancel_requested(self) -> bool:
        """True once for a goal whose client wants it to end."""
        if self._goal is None or self._canceling or not self._goal.is_cancel_requested:
            return False
        self._canceling = True
        return True


def _error(action, name: str) -> int:
    return getattr(action.Result, f"ERROR_{name}")


def _refuse(goal, action, error: str, message: str):
    goal.abort()
    return action.Result(error_code=_error(action, error), error_msg=message)


def _distance_m(scene: SceneTruth | None, wanted: GoalTruth | None) -> float:
    """From the object's centre to where the goal picture shows it, m; NaN where unknown."""
    if scene is None or wanted is None or wanted.object not in scene.object_names:
        return math.nan
    centre = scene.poses[scene.object_names.index(wanted.object)].position
    return math.dist((centre.x, centre.y, centre.z), wanted.position_bin_m)
