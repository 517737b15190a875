"""A complete episode as the messages that the ROS graph would have published for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo

from mtopt_control.recorder.mcap_file import BagMessage
from mtopt_spec import bag_topics as topics
from mtopt_spec import ros_messages as ros
from mtopt_spec.bag_topics import BagTopic
from mtopt_spec.episode import Episode, JointState
from mtopt_spec.observation import Observation


def episode_messages(
    episode: Episode, camera_infos: Mapping[str, CameraInfo] | None = None
) -> list[BagMessage]:
    """The messages of an episode in the order of time, ready for `BagWriter.write_episode`.

    Args:
        episode: A complete episode.
        camera_infos: Camera name to its calibration, recorded once an episode.
    """
    begin, robot = episode.begin, episode.begin.robot
    frame_id = f"{robot}/bin"
    begin_ns, end_ns = ros.stamp_ns(begin.stamp_s), ros.stamp_ns(episode.end.stamp_s)

    def bagged(topic: BagTopic, message, log_time_ns: int) -> BagMessage:
        name = f"/{robot}/{topic.name}"
        return BagMessage(name, topic.type, serialize_message(message), log_time_ns)

    def seen(observation: Observation) -> list[BagMessage]:
        time_ns = ros.stamp_ns(observation.stamp_s)
        messages = [
            bagged(
                topics.camera_image(camera),
                ros.to_compressed_image(
                    jpeg, stamp_s=observation.stamp_s, frame_id=f"{robot}/{camera}"
                ),
                time_ns,
            )
            for camera, jpeg in observation.images_jpeg.items()
        ]
        tool = ros.to_tool_state(observation, frame_id=frame_id)
        return [*messages, bagged(topics.TOOL_STATE, tool, time_ns)]

    messages = []
    for camera, info in (camera_infos or {}).items():
        messages.append(bagged(topics.camera_info(camera), info, begin_ns))
    for index, step in enumerate(episode.steps):
        messages += seen(step.observation)
        stamp_s = step.observation.stamp_s
        about = {
            "header": ros.to_header(stamp_s, frame_id),
            "episode_id": begin.episode_id,
            "step_index": index,
        }
        commanded = ros.to_action_commanded(step.commanded, **about)
        sent = ros.to_action_sent(step.sent, **about)
        messages.append(bagged(topics.ACTION_COMMANDED, commanded, ros.stamp_ns(stamp_s)))
        messages.append(bagged(topics.ACTION_SENT, sent, ros.stamp_ns(stamp_s)))
    messages += seen(episode.last_observation)
    messages += _joint_states(robot, episode.joint_states)
    messages.sort(key=lambda message: message.log_time_ns)
    return [
        bagged(topics.EPISODE_BEGIN, ros.to_episode_begin(begin), begin_ns),
        *messages,
        bagged(topics.EPISODE_END, ros.to_episode_end(episode.end, robot=robot), end_ns),
    ]


def _joint_states(robot: str, states: Sequence[JointState]) -> list[BagMessage]:
    """Joint states as messages: the first is serialised, the others are it with other numbers."""
    if not states:
        return []
    name, type_name = f"/{robot}/{topics.JOINT_STATES.name}", topics.JOINT_STATES.type
    first = states[0]
    if any(state.names != first.names for state in states):
        return [
            BagMessage(
                name,
                type_name,
                serialize_message(ros.to_joint_state(state)),
                ros.stamp_ns(state.stamp_s),
            )
            for state in states
        ]
    template = np.frombuffer(serialize_message(ros.to_joint_state(first)), np.uint8)
    times_ns = [ros.stamp_ns(state.stamp_s) for state in states]
    rows = np.tile(template, (len(states), 1))
    stamps = np.array([divmod(t, ros.NANOSECONDS) for t in times_ns]).astype("<u4")
    rows[:, 4:12] = stamps.view(np.uint8).reshape(len(states), 8)
    size = 8 * len(first.names)
    # The message ends with three arrays of doubles; 8 bytes (count, padding) lie between them.
    stop = len(template)
    for key in ("effort", "velocity", "position"):
        values = np.array([getattr(state, key) for state in states], "<f8")
        if values.shape != (len(states), len(first.names)):
            raise ValueError(
                f"joint states of {robot}: {key} {values.shape}, {len(first.names)} names"
            )
        rows[:, stop - size : stop] = values.view(np.uint8).reshape(len(states), size)
        stop -= size + 8
    return [
        BagMessage(name, type_name, row.tobytes(), time_ns) for row, time_ns in zip(rows, times_ns)
    ]
