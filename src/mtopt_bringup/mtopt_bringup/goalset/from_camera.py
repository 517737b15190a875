"""A goal from a robot's camera: what it sees now is how it shall be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from mtopt_bringup.goalset.goal_set import RECORDED, TABLE, GoalSet, ShownGoal, read_goal_set
from mtopt_bringup.ros_visit import RosVisit
from mtopt_spec import bag_topics, ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal
from mtopt_spec.image_codec import decode_jpeg


class PictureNode(Node):
    """Keeps a camera's newest picture.

    Args:
        robot: Its namespace.
        camera: Name of the camera.

    Attributes:
        topic: Of the pictures.
        newest: None before the first.
    """

    def __init__(self, robot: str, camera: str, *, context: Context):
        super().__init__("picture_node", namespace=f"/{robot}", context=context)
        self.topic = self.resolve_topic_name(bag_topics.camera_image(camera).name)
        self.newest: CompressedImage | None = None
        # best effort hears publishers of either kind
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(CompressedImage, self.topic, self._take, newest)

    def _take(self, message: CompressedImage) -> None:
        self.newest = message


def goal_from_camera(
    robot: str, camera: str, size: tuple[int, int], timeout_s: float, holding: bool = False
) -> ShownGoal:
    """Waits for a picture of a robot's camera; it is the goal, and nobody says what it shows.

    Args:
        robot: Its namespace.
        camera: Name of the camera.
        size: (height_px, width_px) that policies expect.
        timeout_s: To wait, wall time.
        holding: An episode that is to reach it begins with an object in the gripper.

    Raises:
        InputError: No picture comes, or one that is no JPEG of that size.
    """
    with RosVisit(lambda context: PictureNode(robot, camera, context=context)) as visit:
        node = visit.node
        if not visit.until(lambda: node.newest is not None, timeout_s):
            publishers = node.count_publishers(node.topic)
            raise InputError(
                "picture", where=node.topic,
                got=f"none in {timeout_s:g} s, {publishers} publishers there",
                expected="a camera that runs",
                todo="start the cell, and set the ROS_DOMAIN_ID that it has",
            )  # fmt: skip
        topic, message = node.topic, node.newest
    picture = bytes(message.data)
    got = decode_jpeg(picture).shape[:2]
    if got != tuple(size):
        raise InputError(
            "picture", where=topic, got=f"{got[1]}x{got[0]} px",
            expected=f"{size[1]}x{size[0]} px, as policies see it",
        )  # fmt: skip
    source = f"{topic} {ros_messages.from_time(message.header.stamp):.3f}"
    return ShownGoal(Goal(picture, camera, holding), picture, source=source)


def add_goal(folder: Path, shown: ShownGoal) -> GoalSet:
    """Writes a goal behind those of a folder, or into a new one.

    Raises:
        InputError: The folder holds something else, or goals of another camera or with scenes.
    """
    folder = Path(folder)
    if not folder.exists() or not any(folder.iterdir()):
        goals = GoalSet((shown,), shown.goal.camera)
    else:
        before = read_goal_set(folder)
        if before.camera != shown.goal.camera or set(before.counts()) != {RECORDED}:
            raise InputError(
                "goal set", where=folder / TABLE,
                got=f"goals of the {before.camera} camera: {before.counts()}",
                expected=f"{RECORDED} goals of the {shown.goal.camera} camera",
                todo="name another folder",
            )  # fmt: skip
        goals = replace(before, goals=(*before.goals, shown))
    goals.write(folder)
    return goals
