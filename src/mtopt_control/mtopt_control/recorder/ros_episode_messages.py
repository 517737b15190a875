"""A complete episode as the messages that the ROS graph would have published for it."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.serialization import serialize_message

from mtopt_control.recorder.cdr_fields import with_stamp
from mtopt_control.recorder.cdr_packing import CdrPacker
from mtopt_control.recorder.mcap_file import BagMessage
from mtopt_spec import bag_topics as topics
from mtopt_spec import ros_messages as ros
from mtopt_spec.bag_topics import BagTopic
from mtopt_spec.episode import Episode
from mtopt_spec.observation import Observation


def episode_messages(
    episode: Episode, camera_infos: Mapping[str, bytes] | None = None
) -> list[BagMessage]:
    """The messages of an episode in the order of time, ready for `BagWriter.write_episode`.

    Args:
        episode: A complete episode.
        camera_infos: Camera name to its calibration, a serialised `sensor_msgs/CameraInfo` of any
            stamp; recorded once an episode.
    """
    begin, robot = episode.begin, episode.begin.robot
    packer = CdrPacker(robot, begin.episode_id)
    pictures = {camera: topics.camera_image(camera) for camera in begin.camera_names}

    def bagged(topic: BagTopic, cdr: bytes, time_ns: int) -> BagMessage:
        return BagMessage(f"/{robot}/{topic.name}", topic.type, cdr, time_ns)

    def seen(observation: Observation, time_ns: int) -> list[BagMessage]:
        messages = [
            bagged(pictures[camera], packer.compressed_image(time_ns, camera, jpeg), time_ns)
            for camera, jpeg in observation.images_jpeg.items()
        ]
        return [
            *messages,
            bagged(topics.TOOL_STATE, packer.tool_state(time_ns, observation), time_ns),
        ]

    begin_ns, end_ns = ros.stamp_ns(begin.stamp_s), ros.stamp_ns(episode.end.stamp_s)
    messages = []
    for camera, info in (camera_infos or {}).items():
        messages.append(bagged(topics.camera_info(camera), with_stamp(info, begin_ns), begin_ns))
    if episode.goal is not None:
        images = ros.to_goal_images(episode.goal, begin.stamp_s, robot)
        for camera, image in images.items():
            messages.append(bagged(topics.goal_image(camera), serialize_message(image), begin_ns))
    for index, step in enumerate(episode.steps):
        time_ns = ros.stamp_ns(step.observation.stamp_s)
        messages += seen(step.observation, time_ns)
        commanded = packer.action_commanded(time_ns, index, step.commanded)
        messages.append(bagged(topics.ACTION_COMMANDED, commanded, time_ns))
        sent = packer.action_sent(time_ns, index, step.sent)
        messages.append(bagged(topics.ACTION_SENT, sent, time_ns))
    messages += seen(episode.last_observation, ros.stamp_ns(episode.last_observation.stamp_s))
    for state in episode.joint_states:
        time_ns = ros.stamp_ns(state.stamp_s)
        messages.append(bagged(topics.JOINT_STATES, packer.joint_state(time_ns, state), time_ns))
    messages.sort(key=lambda message: message.log_time_ns)
    first = serialize_message(ros.to_episode_begin(begin))
    last = serialize_message(ros.to_episode_end(episode.end, robot=robot))
    return [
        bagged(topics.EPISODE_BEGIN, first, begin_ns),
        *messages,
        bagged(topics.EPISODE_END, last, end_ns),
    ]
