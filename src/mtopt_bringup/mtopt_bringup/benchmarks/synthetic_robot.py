"""A robot that only talks: whole episodes on all topics of the bag contract, for the recorder.

Run as a process of its own: `python -m mtopt_bringup.benchmarks.synthetic_robot --help`. Each
episode that the recorder has acknowledged becomes a line of JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, JointState

from mtopt_bringup.number_types import nonnegative_int, positive_float, positive_int
from mtopt_msgs.msg import (
    ActionCommanded,
    ActionSent,
    EpisodeBegin,
    EpisodeEnd,
    EpisodeRecorded,
    ToolState,
)
from mtopt_spec import bag_topics as topics
from mtopt_spec import episode, ros_messages
from mtopt_spec.action import Action, SentAction
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel
from mtopt_spec.observation import Observation

_JOINTS = tuple(f"joint_{i}" for i in range(9))
_QOS = QoSProfile(depth=100)


def noisy_picture(height_px: int, width_px: int, seed: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB with about the detail of a photograph."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height_px // 8, width_px // 8, 3), np.uint8)
    picture = np.kron(coarse, np.ones((8, 8, 1), np.int16))
    return np.clip(picture + rng.integers(-6, 7, picture.shape), 0, 255).astype(np.uint8)


class SyntheticRobot(Node):
    """Publishes episodes, paced by the caller.

    Args:
        arguments: As parsed by `parse`.
    """

    def __init__(self, arguments: argparse.Namespace):
        super().__init__("synthetic_robot", namespace=arguments.robot)
        self._arguments = arguments
        self._cameras = tuple(arguments.cameras)
        self._pictures = [
            encode_jpeg(noisy_picture(arguments.height, arguments.width, seed)) for seed in range(8)
        ]
        publisher = lambda kind, topic: self.create_publisher(kind, topic.name, _QOS)  # noqa: E731
        self._images = {
            c: publisher(CompressedImage, topics.camera_image(c)) for c in self._cameras
        }
        self._joints = publisher(JointState, topics.JOINT_STATES)
        self._tool = publisher(ToolState, topics.TOOL_STATE)
        self._commanded = publisher(ActionCommanded, topics.ACTION_COMMANDED)
        self._sent = publisher(ActionSent, topics.ACTION_SENT)
        self._begin = publisher(EpisodeBegin, topics.EPISODE_BEGIN)
        self._end = publisher(EpisodeEnd, topics.EPISODE_END)
        self.create_subscription(EpisodeRecorded, "episode/recorded", self._on_recorded, _QOS)
        self._number = arguments.first_number
        self._step = 0
        self._episode_id = ""
        self._readings = 0
        self._sent_readings: dict[str, int] = {}
        self._waiting_since: dict[str, float] = {}

    @property
    def heard(self) -> bool:
        """The recorder has found every topic."""
        ends = (
            *self._images.values(), self._joints, self._tool, self._commanded, self._sent,
            self._begin, self._end,
        )  # fmt: skip
        return all(end.get_subscription_count() for end in ends) and bool(
            self.count_publishers("episode/recorded")
        )

    @property
    def waiting(self) -> bool:
        """An episode has ended and is not acknowledged; given up after a while."""
        now_s = time.monotonic()
        overdue = [
            episode_id
            for episode_id, since_s in self._waiting_since.items()
            if now_s - since_s > self._arguments.patience_s
        ]
        for episode_id in overdue:
            self._say(episode_id, recorded=False, problem="no acknowledgement")
        return bool(self._waiting_since)

    @property
    def finished(self) -> bool:
        """All episodes were published."""
        return self._number >= self._arguments.first_number + self._arguments.episodes

    def joint_state(self, stamp_s: float) -> None:
        """Publishes one reading."""
        position = np.sin(np.arange(9.0) + stamp_s)
        state = episode.JointState(stamp_s, _JOINTS, position, np.cos(position), position)
        self._joints.publish(ros_messages.to_joint_state(state))
        self._readings += bool(self._episode_id)

    def tick(self, stamp_s: float) -> None:
        """Publishes an observation, and the step or the end or the begin that goes with it."""
        robot, steps = self._arguments.robot, self._arguments.steps
        images = {c: self._pictures[self._step % len(self._pictures)] for c in self._cameras}
        observation = Observation(stamp_s, images, False, 0.05, (0.0, 0.0, 0.2, 0.0))
        frame_id = f"{robot}/bin"
        self._tool.publish(ros_messages.to_tool_state(observation, frame_id=frame_id))
        for camera, jpeg in images.items():
            self._images[camera].publish(
                ros_messages.to_compressed_image(
                    jpeg, stamp_s=stamp_s, frame_id=f"{robot}/{camera}"
                )
            )
        if self._episode_id and self._step == steps:
            self._finish(stamp_s)
        elif not self._episode_id and not self.finished and not self._waiting_since:
            self._start(stamp_s)
        if self._episode_id:
            about = {
                "header": ros_messages.to_header(stamp_s, frame_id),
                "episode_id": self._episode_id,
                "step_index": self._step,
            }
            action = Action(translation_m=(0.01, 0.0, -0.01))
            sent = SentAction(action, False, np.zeros(8))
            self._commanded.publish(ros_messages.to_action_commanded(action, **about))
            self._sent.publish(ros_messages.to_action_sent(sent, **about))
            self._step += 1

    def _start(self, stamp_s: float) -> None:
        robot = self._arguments.robot
        self._episode_id = f"synthetic-{robot}-{self._number:06d}"
        self._step, self._readings = 0, 1  # the reading of this tick's stamp
        begin = episode.EpisodeBegin(
            stamp_s, robot, self._episode_id, self._number, self._number, "lift-any", "random", "",
            self._arguments.period_s, self._cameras,
        )  # fmt: skip
        self._begin.publish(ros_messages.to_episode_begin(begin))

    def _finish(self, stamp_s: float) -> None:
        labels = (TaskLabel("lift-any", False, 0.0, "simulator"),)
        end = episode.EpisodeEnd(
            stamp_s, self._episode_id, EndReason.LIMIT, Fault.NONE, "", self._arguments.steps,
            False, 0.0, "simulator", labels,
        )  # fmt: skip
        self._end.publish(ros_messages.to_episode_end(end, robot=self._arguments.robot))
        self._sent_readings[self._episode_id] = self._readings
        self._waiting_since[self._episode_id] = time.monotonic()
        self._episode_id = ""
        self._number += 1

    def _on_recorded(self, message: EpisodeRecorded) -> None:
        if message.episode_id in self._waiting_since:
            self._say(message.episode_id, recorded=message.recorded, problem=message.error_msg)

    def _say(self, episode_id: str, *, recorded: bool, problem: str) -> None:
        del self._waiting_since[episode_id]
        line = {
            "episode_id": episode_id,
            "recorded": recorded,
            "problem": problem,
            "joint_states": self._sent_readings.pop(episode_id),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The process's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--robot", default="robot_1")
    parser.add_argument("--cameras", nargs="+", default=["shoulder"])
    parser.add_argument("--width", type=positive_int, default=640, help="px")
    parser.add_argument("--height", type=positive_int, default=480, help="px")
    parser.add_argument("--period-s", type=positive_float, default=0.1, help="of observations")
    parser.add_argument("--readings", type=positive_int, default=10, help="joint states a period")
    parser.add_argument("--steps", type=positive_int, default=100, help="of an episode")
    parser.add_argument("--episodes", type=positive_int, default=10)
    parser.add_argument("--first-number", type=nonnegative_int, default=0, help="of the episodes")
    parser.add_argument(
        "--patience-s", type=positive_float, default=10.0, help="for an acknowledgement"
    )
    parser.add_argument("--fast", action="store_true", help="as fast as it goes, not in real time")
    return parser.parse_args(argv)


def main() -> int:
    """Publishes all episodes; 1 when no recorder was found."""
    arguments = parse()
    rclpy.init()
    robot = SyntheticRobot(arguments)
    deadline_s = time.monotonic() + 60.0
    while not robot.heard:
        rclpy.spin_once(robot, timeout_sec=0.1)
        if time.monotonic() > deadline_s:
            sys.stderr.write(f"synthetic_robot {arguments.robot}: no recorder\n")
            return 1
    start_s, reading = time.time(), 0
    interval_s = arguments.period_s / arguments.readings
    while not robot.finished or robot.waiting:
        stamp_s = start_s + reading * interval_s
        if not arguments.fast:
            time.sleep(max(0.0, stamp_s - time.time()))
        elif robot.waiting:
            rclpy.spin_once(robot, timeout_sec=0.05)
            continue
        robot.joint_state(stamp_s)
        if reading % arguments.readings == 0:
            robot.tick(stamp_s)
            rclpy.spin_once(robot, timeout_sec=0.0)
        reading += 1
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
