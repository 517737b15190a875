"""Records the episodes of all robots: bytes from the topics into bags, whole episodes only."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, JointState
from trajectory_msgs.msg import JointTrajectory

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.cdr_fields import stamp_ns
from mtopt_control.recorder.episode_buffer import (
    BufferConfig,
    EndedEpisode,
    EpisodeBuffer,
    Refused,
)
from mtopt_control.recorder.mcap_file import BagMessage
from mtopt_control.recorder.recovery import recover_bags
from mtopt_msgs.msg import (
    ActionCommanded,
    ActionSent,
    EpisodeBegin,
    EpisodeEnd,
    EpisodeRecorded,
    ToolState,
)
from mtopt_spec import bag_topics as topics
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Fault
from mtopt_spec.ros_parameters import declare
from mtopt_spec.ros_qos import driver_qos
from mtopt_spec.ros_run import run

_MESSAGES = {
    topics.ACTION_COMMANDED.type: ActionCommanded,
    topics.ACTION_SENT.type: ActionSent,
    topics.TOOL_STATE.type: ToolState,
    topics.JOINT_STATES.type: JointState,
    topics.JOINT_TRAJECTORY.type: JointTrajectory,
    topics.camera_image("").type: CompressedImage,
    topics.camera_info("").type: CameraInfo,
}
_EVENTS = QoSProfile(depth=100)
_POLL_S = 0.05
_SAME_CLOCK_NS = 60_000_000_000
"""A stamp further away than this is not of the same clock."""


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of recorder_node, all of them required.

    Attributes:
        robots: Namespaces of the robots to record.
        cameras: Names of their cameras.
        out: Folder of the bags; one folder a robot below it.
        max_episodes: Episodes of a bag before the next one is begun.
        max_megabytes: Size of a bag from which on the next one is begun.
        sync: Wait for the disk before an episode is acknowledged.
        history_s: Messages before an episode's begin that are kept, time of stamps.
        deadline_s: Wall time to wait after an episode's end for messages on their way.
        max_episode_s: An episode without an end is given up after this.
        late_s: A frame older than this when it comes is late.
        queue_depth: Messages of one topic that may wait.
        reliable: False for drivers that publish best effort.
    """

    robots: tuple[str, ...]
    cameras: tuple[str, ...]
    out: str
    max_episodes: int
    max_megabytes: int
    sync: bool
    history_s: float
    deadline_s: float
    max_episode_s: float
    late_s: float
    queue_depth: int
    reliable: bool

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, (bool, str, tuple)) and not value > 0:
                raise InputError(field.name, where="recorder_node", got=value, expected="above 0")
        if not self.robots:
            raise InputError("robots", where="recorder_node", got="none", expected="their names")


class RecorderNode(Node):
    """Writes each robot's episodes and acknowledges them once they are on disk."""

    def __init__(self, *, context=None, parameter_overrides=None):
        super().__init__(
            "recorder_node", context=context, parameter_overrides=parameter_overrides or []
        )
        p = self._settings = declare(self, RecorderParameters)
        self._counts = {"recorded": 0, "refused": 0, "dropped_frames": 0, "late_frames": 0}
        self._last_error = ""
        self._recover(Path(p.out))
        config = BufferConfig(p.history_s, p.deadline_s, p.max_episode_s)
        self._buffers = {robot: EpisodeBuffer(robot, config) for robot in p.robots}
        self._writers = {
            robot: BagWriter(
                Path(p.out), robot,
                max_episodes=p.max_episodes, max_bytes=p.max_megabytes * 1_000_000, sync=p.sync,
            )
            for robot in p.robots
        }  # fmt: skip
        self._acks = {
            robot: self.create_publisher(EpisodeRecorded, f"/{robot}/episode/recorded", _EVENTS)
            for robot in p.robots
        }
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        for robot in p.robots:
            self._subscribe(robot)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_POLL_S, self._poll_all, clock=steady)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)

    def destroy_node(self) -> None:
        """Closes all bags; those that the disk has no room to close stay recoverable."""
        for robot, writer in self._writers.items():
            try:
                writer.close()
            except OSError as error:
                self.get_logger().error(
                    f"bag of {robot}: {error}; `mtopt bags check --repair` closes it"
                )
        super().destroy_node()

    def _recover(self, out: Path) -> None:
        """Closes what an earlier recorder left open."""
        if not out.is_dir():
            return
        for found in recover_bags(out):
            self.get_logger().warning(
                f"bag {found.bag}: being written by another recorder"
                if found.being_written
                else f"bag {found.bag} was left open: {found.episodes} episodes kept,"
                f" {found.cut_bytes} bytes of damaged or cut-off ones set aside"
            )

    def _subscribe(self, robot: str) -> None:
        p = self._settings
        stream = driver_qos(p.queue_depth, reliable=p.reliable)
        command = QoSProfile(depth=p.queue_depth)
        recorded = [
            (topics.ACTION_COMMANDED, command),
            (topics.ACTION_SENT, command),
            (topics.TOOL_STATE, command),
            (topics.JOINT_TRAJECTORY, command),
            (topics.JOINT_STATES, stream),
            *((topics.goal_image(camera), command) for camera in p.cameras),
            *((topics.camera_image(camera), stream) for camera in p.cameras),
            *((topics.camera_info(camera), stream) for camera in p.cameras),
        ]
        for topic, qos in recorded:
            self.create_subscription(
                _MESSAGES[topic.type], f"/{robot}/{topic.name}",
                partial(self._on_message, robot, topic), qos, raw=True,
            )  # fmt: skip
        for topic, kind, callback in (
            (topics.EPISODE_BEGIN, EpisodeBegin, self._on_begin),
            (topics.EPISODE_END, EpisodeEnd, self._on_end),
        ):
            self.create_subscription(
                kind, f"/{robot}/{topic.name}", partial(callback, robot), _EVENTS, raw=True
            )

    def _on_message(self, robot: str, topic: topics.BagTopic, cdr: bytes) -> None:
        try:
            late = topic.per == "tick" and self._is_late(cdr)
            self._buffers[robot].add(topic, cdr, late=late)
        except ValueError as error:
            self._complain(f"/{robot}/{topic.name}: {error}")
            return
        self._poll(robot)

    def _is_late(self, cdr: bytes) -> bool:
        """Older than allowed. In lockstep stamps are not of this node's clock: nothing is late."""
        age_ns = self.get_clock().now().nanoseconds - stamp_ns(cdr)
        return self._settings.late_s * 1e9 < age_ns < _SAME_CLOCK_NS

    def _on_begin(self, robot: str, cdr: bytes) -> None:
        message = deserialize_message(cdr, EpisodeBegin)
        self._buffers[robot].begin(ros_messages.from_episode_begin(message), cdr)

    def _on_end(self, robot: str, cdr: bytes) -> None:
        end = ros_messages.from_episode_end(deserialize_message(cdr, EpisodeEnd))
        self._buffers[robot].end(end, cdr, time.monotonic())
        self._poll(robot)

    def _poll_all(self) -> None:
        for robot in self._buffers:
            self._poll(robot)

    def _poll(self, robot: str) -> None:
        result = self._buffers[robot].poll(time.monotonic())
        if isinstance(result, EndedEpisode):
            self._write(robot, result)
        elif isinstance(result, Refused):
            self._refuse(robot, result)

    def _write(self, robot: str, episode: EndedEpisode) -> None:
        """Puts an episode on disk and acknowledges it, or says why not."""
        end = episode.end
        cdr = serialize_message(ros_messages.to_episode_end(end, robot=robot))
        topic = topics.EPISODE_END
        last = BagMessage(f"/{robot}/{topic.name}", topic.type, cdr, episode.end_ns)
        try:
            bag = self._writers[robot].write_episode([*episode.messages, last])
        except OSError as error:
            self._refuse(robot, Refused(end, f"disk: {error}"))
            return
        self._counts["recorded"] += 1
        self._counts["dropped_frames"] += end.dropped_frames
        self._counts["late_frames"] += end.late_frames
        if end.dropped_frames:
            self._complain(f"{end.episode_id}: {end.dropped_frames} frames dropped")
        problem = end.fault_msg if end.fault == Fault.RECORDER else ""
        self._acknowledge(robot, end, bag=str(bag), problem=problem)

    def _refuse(self, robot: str, refused: Refused) -> None:
        self._counts["refused"] += 1
        self._complain(f"{refused.end.episode_id} refused: {refused.problem}")
        self._acknowledge(robot, refused.end, problem=refused.problem)

    def _acknowledge(self, robot: str, end, *, bag: str = "", problem: str = "") -> None:
        self._acks[robot].publish(
            EpisodeRecorded(
                header=ros_messages.to_header(end.stamp_s, f"{robot}/bin"),
                episode_id=end.episode_id,
                recorded=not problem,
                error_msg=problem,
                bag=bag,
            )
        )

    def _complain(self, problem: str) -> None:
        self._last_error = problem
        self.get_logger().error(problem)

    def _publish_diagnostics(self) -> None:
        abandoned = sum(buffer.abandoned for buffer in self._buffers.values())
        counts = {**self._counts, "abandoned": abandoned}
        bad = counts["refused"] or counts["dropped_frames"]
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if bad else DiagnosticStatus.OK,
            name="recorder_node: episodes",
            message=self._last_error or "recording",
            hardware_id="",
            values=[KeyValue(key=key, value=str(value)) for key, value in counts.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main() -> int:
    """Records until it is stopped; 2 for a bad parameter."""
    return run(lambda context: [RecorderNode(context=context)])


if __name__ == "__main__":
    sys.exit(main())
