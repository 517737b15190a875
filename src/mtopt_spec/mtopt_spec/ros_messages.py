"""ROS messages of the cell's dataclasses and back.

The one file of this package that imports ROS; only nodes and the in-process recorder import it.
Stamps are float seconds in the dataclasses, rounded to nanoseconds on the wire.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from mtopt_msgs import msg as msgs
from mtopt_msgs.srv import AssignTask, ChooseAction, JudgeSuccess
from mtopt_spec.action import Action, ArmError, Kind, SentAction
from mtopt_spec.episode import SCHEMA_VERSION, EpisodeBegin, EpisodeEnd, JointState
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal, GoalTruth
from mtopt_spec.interfaces import (
    Assignment,
    EndReason,
    EpisodeReport,
    Fault,
    PolicyAnswer,
    PolicyRequest,
    TaskLabel,
    TaskRequest,
)
from mtopt_spec.observation import Observation

NANOSECONDS = 1_000_000_000


def stamp_ns(stamp_s: float) -> int:
    """Seconds to whole nanoseconds: what the wire and a bag's log time hold."""
    return round(stamp_s * NANOSECONDS)


def to_time(stamp_s: float) -> Time:
    """Seconds to a message's stamp."""
    sec, nanosec = divmod(stamp_ns(stamp_s), NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def from_time(stamp: Time) -> float:
    """A message's stamp to seconds."""
    return stamp.sec + stamp.nanosec / NANOSECONDS


def to_header(stamp_s: float, frame_id: str) -> Header:
    """A header; positions are given in `<robot>/bin` throughout."""
    return Header(stamp=to_time(stamp_s), frame_id=frame_id)


def _vector(values: Sequence[float]) -> Vector3:
    x, y, z = values
    return Vector3(x=float(x), y=float(y), z=float(z))


def _tuple(vector: Vector3 | Point) -> tuple[float, float, float]:
    return (vector.x, vector.y, vector.z)


def _action_fields(action: Action) -> dict:
    return {
        "kind": int(action.kind),
        "translation_m": _vector(action.translation_m),
        "azimuth_sin": math.sin(action.azimuth_rad)
        if math.isfinite(action.azimuth_rad)
        else math.nan,
        "azimuth_cos": math.cos(action.azimuth_rad)
        if math.isfinite(action.azimuth_rad)
        else math.nan,
        "close": bool(action.close),
        "open": bool(action.open),
        "terminate": bool(action.terminate),
    }


def _action(message, home_offset_m=(0.0, 0.0, 0.0)) -> Action:
    return Action(
        Kind(message.kind),
        _tuple(message.translation_m),
        math.atan2(message.azimuth_sin, message.azimuth_cos),
        message.close,
        message.open,
        message.terminate,
        home_offset_m,
    )


def to_action_commanded(
    action: Action, *, header: Header, episode_id: str, step_index: int
) -> msgs.ActionCommanded:
    """An action as a policy or a node asks for it."""
    return msgs.ActionCommanded(
        header=header,
        episode_id=episode_id,
        step_index=step_index,
        home_offset_m=_vector(action.home_offset_m),
        **_action_fields(action),
    )


def from_action_commanded(message: msgs.ActionCommanded) -> Action:
    """The action; values are not judged here, the clamp does that.

    Raises:
        ValueError: `kind` is none of `ActionCommanded.KIND_*`.
    """
    return _action(message, _tuple(message.home_offset_m))


def to_action_sent(
    sent: SentAction, *, header: Header, episode_id: str, step_index: int
) -> msgs.ActionSent:
    """What the arm got."""
    return msgs.ActionSent(
        header=header,
        episode_id=episode_id,
        step_index=step_index,
        clamped=sent.clamped,
        target_position=[float(x) for x in sent.target_position],
        arrived=sent.arrived,
        error_code=int(sent.error),
        error_msg=sent.error_msg,
        **_action_fields(sent.action),
    )


def from_action_sent(message: msgs.ActionSent) -> SentAction:
    """What the arm got."""
    return SentAction(
        _action(message),
        message.clamped,
        np.asarray(message.target_position, np.float64),
        message.arrived,
        ArmError(message.error_code),
        message.error_msg,
    )


def to_joint_state(state: JointState) -> JointStateMessage:
    """Joint readings; frame_id stays empty, as is usual."""
    return JointStateMessage(
        header=to_header(state.stamp_s, ""),
        name=list(state.names),
        position=state.position.tolist(),
        velocity=state.velocity.tolist(),
        effort=state.effort.tolist(),
    )


def from_joint_state(message: JointStateMessage) -> JointState:
    """Joint readings; missing velocities or efforts become NaN."""
    count = len(message.name)

    def full(values) -> np.ndarray:
        array = np.asarray(values, np.float64)
        return array if array.shape == (count,) else np.full(count, np.nan)

    return JointState(
        from_time(message.header.stamp),
        tuple(message.name),
        full(message.position),
        full(message.velocity),
        full(message.effort),
    )


def to_joint_trajectory(
    joint_names: Sequence[str],
    positions: np.ndarray,
    velocities: np.ndarray,
    times_from_start_s: np.ndarray,
) -> JointTrajectory:
    """A trajectory that starts when it is received: (points, joints) positions and velocities."""
    points = []
    for position, velocity, time_s in zip(positions, velocities, times_from_start_s):
        sec, nanosec = divmod(stamp_ns(float(time_s)), NANOSECONDS)
        points.append(
            JointTrajectoryPoint(
                positions=position.tolist(),
                velocities=velocity.tolist(),
                time_from_start=Duration(sec=sec, nanosec=nanosec),
            )
        )
    return JointTrajectory(joint_names=list(joint_names), points=points)


def from_joint_trajectory(
    message: JointTrajectory,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None, np.ndarray]:
    """Joint names, positions (points, joints), velocities (None if absent), times (points,) s.

    Raises:
        InputError: A point has not one position a joint.
    """
    joints, counts = len(message.joint_names), {len(p.positions) for p in message.points}
    if counts - {joints}:
        raise InputError(
            "positions", where="joint trajectory", got=f"{sorted(counts)} in a point",
            expected=f"{joints}, one a joint",
        )  # fmt: skip
    positions = np.array([p.positions for p in message.points], np.float64).reshape(-1, joints)
    velocities = [list(p.velocities) for p in message.points]
    times = [
        p.time_from_start.sec + p.time_from_start.nanosec / NANOSECONDS for p in message.points
    ]
    complete = bool(velocities) and all(len(v) == len(message.joint_names) for v in velocities)
    return (
        tuple(message.joint_names),
        positions,
        np.array(velocities, np.float64) if complete else None,
        np.array(times, np.float64),
    )


def to_compressed_image(jpeg: bytes, *, stamp_s: float, frame_id: str) -> CompressedImage:
    """A JPEG picture."""
    image = CompressedImage(header=to_header(stamp_s, frame_id), format="jpeg")
    image.data = jpeg
    return image


def to_goal_images(goal: Goal, stamp_s: float, robot: str) -> dict[str, CompressedImage]:
    """Camera to its goal picture, in the frame of the robot's camera that took it."""
    return {
        camera: to_compressed_image(jpeg, stamp_s=stamp_s, frame_id=f"{robot}/{camera}")
        for camera, jpeg in goal.images_jpeg.items()
    }


def to_tool_state(observation: Observation, *, frame_id: str) -> msgs.ToolState:
    """The proprioception of an observation."""
    x, y, z, azimuth = observation.tool_pose_bin
    return msgs.ToolState(
        header=to_header(observation.stamp_s, frame_id),
        gripper_closed=bool(observation.gripper_closed),
        gripper_opening_m=float(observation.gripper_opening_m),
        position_bin_m=[float(x), float(y), float(z)],
        azimuth_rad=float(azimuth),
    )


def to_observation(tool: msgs.ToolState, images_jpeg: Mapping[str, bytes]) -> Observation:
    """An observation of a tool state and the pictures of the same stamp."""
    return Observation(
        from_time(tool.header.stamp),
        images_jpeg,
        tool.gripper_closed,
        tool.gripper_opening_m,
        (*(float(x) for x in tool.position_bin_m), tool.azimuth_rad),
    )


def _observation_fields(robot: str, observation: Observation) -> dict:
    """The part that ChooseAction and JudgeSuccess requests share."""
    frame_id = f"{robot}/bin"
    return {
        "header": to_header(observation.stamp_s, frame_id),
        "robot": robot,
        "camera_names": list(observation.images_jpeg),
        "images": [
            to_compressed_image(jpeg, stamp_s=observation.stamp_s, frame_id=f"{robot}/{name}")
            for name, jpeg in observation.images_jpeg.items()
        ],
        "tool": to_tool_state(observation, frame_id=frame_id),
    }


def _request_observation(request) -> Observation:
    pictures = {
        name: bytes(image.data) for name, image in zip(request.camera_names, request.images)
    }
    return to_observation(request.tool, pictures)


def to_goal(goal: Goal | None) -> msgs.Goal:
    """A goal; None: one without pictures."""
    if goal is None:
        return msgs.Goal()
    message = msgs.Goal(holding=goal.holding, has_truth=goal.truth is not None)
    message.camera_names = list(goal.images_jpeg)
    for jpeg in goal.images_jpeg.values():
        message.images.append(CompressedImage(format="jpeg", data=jpeg))
    if goal.truth is not None:
        x, y, z = goal.truth.position_bin_m
        message.kind, message.object = goal.truth.kind, goal.truth.object
        message.position_bin_m = Point(x=float(x), y=float(y), z=float(z))
        message.section = goal.truth.section
    return message


def from_goal(message: msgs.Goal) -> Goal | None:
    """A goal; None where it has no picture.

    Raises:
        InputError: `kind` is none of `Goal.KIND_*`, or pictures and cameras do not fit.
    """
    goal = from_goal_pictures(message)
    return replace(goal, truth=from_goal_truth(message)) if goal is not None else None


def from_goal_pictures(message: msgs.Goal) -> Goal | None:
    """A goal without its truth; None where it has no picture.

    Raises:
        InputError: There is not one picture a camera, or one is empty.
    """
    names, images = list(message.camera_names), message.images
    if not len(set(names)) == len(names) == len(images):
        raise InputError(
            "camera_names", where="goal", got=f"{names} beside {len(images)} images",
            expected="each camera once, one an image",
        )  # fmt: skip
    images_jpeg = {name: bytes(image.data) for name, image in zip(names, images, strict=True)}
    return Goal(images_jpeg, message.holding) if images_jpeg else None


def from_goal_truth(message: msgs.Goal) -> GoalTruth | None:
    """What a goal's picture shows; None where that is not told.

    Raises:
        InputError: `kind` is none of `Goal.KIND_*`.
    """
    if not message.has_truth:
        return None
    return GoalTruth(message.kind, message.object, _tuple(message.position_bin_m), message.section)


def to_choose_request(request: PolicyRequest) -> ChooseAction.Request:
    """What shall be done in this state? A goal's truth stays behind: no policy may see it."""
    goal = request.goal
    return ChooseAction.Request(
        episode_id=request.episode_id,
        step_index=request.step_index,
        seed=request.seed,
        task=request.task,
        policy=request.policy,
        goal=to_goal(replace(goal, truth=None) if goal is not None else None),
        **_observation_fields(request.robot, request.observation),
    )


def from_choose_request(request: ChooseAction.Request) -> PolicyRequest:
    """What shall be done in this state?

    Raises:
        InputError: Its goal's pictures and cameras do not fit.
    """
    return PolicyRequest(
        request.robot,
        request.episode_id,
        request.step_index,
        request.seed,
        request.task,
        request.policy,
        _request_observation(request),
        from_goal_pictures(request.goal),
    )


def to_choose_response(
    answer: PolicyAnswer, request: ChooseAction.Request
) -> ChooseAction.Response:
    """The action, with the stamp and frame of the observation that it answers."""
    return ChooseAction.Response(
        action=to_action_commanded(
            answer.action,
            header=request.header,
            episode_id=request.episode_id,
            step_index=request.step_index,
        ),
        q_value=float(answer.q_value),
        checkpoint=answer.checkpoint,
        error_code=answer.error,
        error_msg=answer.error_msg,
    )


def from_choose_response(response: ChooseAction.Response) -> PolicyAnswer:
    """The action."""
    return PolicyAnswer(
        from_action_commanded(response.action),
        response.q_value,
        response.checkpoint,
        response.error_code,
        response.error_msg,
    )


def to_label(label: TaskLabel) -> msgs.TaskLabel:
    """One judgement."""
    return msgs.TaskLabel(
        task=label.task,
        success=bool(label.success),
        probability=float(label.probability),
        source=label.source,
    )


def from_label(message: msgs.TaskLabel) -> TaskLabel:
    """One judgement."""
    return TaskLabel(message.task, message.success, message.probability, message.source)


def to_judge_request(
    robot: str, episode_id: str, observation: Observation, tasks: Sequence[str] = ()
) -> JudgeSuccess.Request:
    """Which tasks does this last state solve? No tasks: all that the detector knows."""
    return JudgeSuccess.Request(
        episode_id=episode_id, tasks=list(tasks), **_observation_fields(robot, observation)
    )


def from_judge_request(request: JudgeSuccess.Request) -> tuple[str, Observation, tuple[str, ...]]:
    """Robot, last observation, tasks."""
    return request.robot, _request_observation(request), tuple(request.tasks)


def to_assign_request(request: TaskRequest) -> AssignTask.Request:
    """The last episode's report and the wish for the next."""
    report = request.report
    return AssignTask.Request(
        header=to_header(request.stamp_s, ""),
        robot=request.robot,
        episode_number=request.episode_number,
        holding=request.holding,
        objects=list(request.objects),
        has_report=report is not None,
        last_task=report.task if report else "",
        last_policy=report.policy if report else "",
        last_success=bool(report and report.success),
        last_fault=report.fault if report else Fault.NONE,
        last_error_msg=report.message if report else "",
    )


def from_assign_request(request: AssignTask.Request) -> TaskRequest:
    """The last episode's report and the wish for the next."""
    report = EpisodeReport(
        request.last_task, request.last_policy, request.last_success,
        Fault(request.last_fault), request.last_error_msg,
    )  # fmt: skip
    return TaskRequest(
        from_time(request.header.stamp),
        request.robot,
        request.episode_number,
        request.holding,
        report if request.has_report else None,
        tuple(request.objects),
    )


def to_assign_response(assignment: Assignment | None) -> AssignTask.Response:
    """What to do next; None: the run has its episodes."""
    if assignment is None:
        return AssignTask.Response(finished=True)
    return AssignTask.Response(
        task=assignment.task,
        policy=assignment.policy,
        reset_bin=assignment.reset_bin,
        new_scene=assignment.new_scene,
        seed=assignment.seed,
        goal=to_goal(assignment.goal),
    )


def from_assign_response(response: AssignTask.Response) -> Assignment | None:
    """What to do next; None: the run has its episodes.

    Raises:
        InputError: Its goal is of no kind that is known, or its pictures and cameras do not fit.
    """
    if response.finished:
        return None
    return Assignment(
        response.task,
        response.policy,
        response.reset_bin,
        response.new_scene,
        response.seed,
        from_goal(response.goal),
    )


def to_episode_begin(begin: EpisodeBegin) -> msgs.EpisodeBegin:
    """The first record of an episode."""
    return msgs.EpisodeBegin(
        header=to_header(begin.stamp_s, f"{begin.robot}/bin"),
        schema_version=SCHEMA_VERSION,
        robot=begin.robot,
        episode_id=begin.episode_id,
        episode_number=begin.episode_number,
        seed=begin.seed,
        task=begin.task,
        policy=begin.policy,
        checkpoint=begin.checkpoint,
        control_period_s=begin.control_period_s,
        camera_names=list(begin.camera_names),
    )


def from_episode_begin(message: msgs.EpisodeBegin) -> EpisodeBegin:
    """The first record of an episode."""
    return EpisodeBegin(
        from_time(message.header.stamp),
        message.robot,
        message.episode_id,
        message.episode_number,
        message.seed,
        message.task,
        message.policy,
        message.checkpoint,
        message.control_period_s,
        tuple(message.camera_names),
    )


def to_episode_end(end: EpisodeEnd, *, robot: str) -> msgs.EpisodeEnd:
    """The last record of an episode."""
    return msgs.EpisodeEnd(
        header=to_header(end.stamp_s, f"{robot}/bin"),
        episode_id=end.episode_id,
        reason=int(end.reason),
        fault=int(end.fault),
        fault_msg=end.fault_msg,
        steps=end.steps,
        success=bool(end.success),
        success_probability=float(end.success_probability),
        success_source=end.success_source,
        labels=[to_label(label) for label in end.labels],
        dropped_frames=end.dropped_frames,
        late_frames=end.late_frames,
    )


def from_episode_end(message: msgs.EpisodeEnd) -> EpisodeEnd:
    """The last record of an episode."""
    return EpisodeEnd(
        from_time(message.header.stamp),
        message.episode_id,
        EndReason(message.reason),
        Fault(message.fault),
        message.fault_msg,
        message.steps,
        message.success,
        message.success_probability,
        message.success_source,
        tuple(from_label(label) for label in message.labels),
        message.dropped_frames,
        message.late_frames,
    )
