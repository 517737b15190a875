"""A goal from a robot's cameras: what they see now is how it shall be."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from mtopt_bringup.goalset.goal_set import RECORDED, TABLE, GoalSet, ShownGoal, read_goal_set
from mtopt_bringup.ros_visit import RosVisit
from mtopt_learning.checkpoint.folder import finish_write
from mtopt_spec import bag_topics, ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.ros_qos import driver_qos


class PictureNode(Node):
    """Keeps the newest picture of each camera.

    Args:
        robot: Its namespace.
        cameras: Their names.

    Attributes:
        topics: Camera to the topic of its pictures.
        newest: Camera to its picture; none before the first.
    """

    def __init__(self, robot: str, cameras: Iterable[str], *, context: Context):
        super().__init__("picture_node", namespace=f"/{robot}", context=context)
        self.topics = {
            camera: self.resolve_topic_name(bag_topics.camera_image(camera).name)
            for camera in cameras
        }
        self.newest: dict[str, CompressedImage] = {}
        # best effort hears publishers of either kind
        newest = driver_qos(1)
        for camera, topic in self.topics.items():
            take = functools.partial(self.newest.__setitem__, camera)
            self.create_subscription(CompressedImage, topic, take, newest)


def goal_from_camera(
    robot: str, sizes: Mapping[str, tuple[int, int]], timeout_s: float, holding: bool = False
) -> ShownGoal:
    """Waits for a picture of each camera; they are the goal, and nobody says what they show.

    Args:
        robot: Its namespace.
        sizes: Camera to (height_px, width_px) that policies expect.
        timeout_s: To wait, wall time.
        holding: An episode that is to reach it begins with an object in the gripper.

    Raises:
        InputError: No picture comes, or one that is no JPEG of that size.
    """
    with RosVisit(lambda context: PictureNode(robot, sizes, context=context)) as visit:
        node = visit.node
        if not visit.until(lambda: len(node.newest) == len(sizes), timeout_s):
            topic = next(t for camera, t in node.topics.items() if camera not in node.newest)
            publishers = node.count_publishers(topic)
            raise InputError(
                "picture", where=topic,
                got=f"none in {timeout_s:g} s, {publishers} publishers there",
                expected="a camera that runs",
                todo="start the cell, and set the ROS_DOMAIN_ID that it has",
            )  # fmt: skip
        topics, newest = node.topics, dict(node.newest)
    pictures = {camera: bytes(newest[camera].data) for camera in sizes}
    for camera, size in sizes.items():
        got = decode_jpeg(pictures[camera]).shape[:2]
        if got != tuple(size):
            raise InputError(
                "picture", where=topics[camera], got=f"{got[1]}x{got[0]} px",
                expected=f"{size[1]}x{size[0]} px, as policies see it",
            )  # fmt: skip
    first = next(iter(sizes))
    source = f"{topics[first]} {ros_messages.from_time(newest[first].header.stamp):.3f}"
    return ShownGoal(Goal(pictures, holding), pictures[first], source=source)


def add_goal(folder: Path, shown: ShownGoal) -> GoalSet:
    """Writes a goal behind those of a folder, or into a new one.

    Raises:
        InputError: The folder holds something else, or goals of other cameras or with scenes.
    """
    folder = Path(folder)
    finish_write(folder)
    if not folder.exists() or not any(folder.iterdir()):
        goals = GoalSet((shown,), tuple(shown.goal.images_jpeg))
    else:
        before = read_goal_set(folder)
        cameras = sorted(shown.goal.images_jpeg)
        if sorted(before.cameras) != cameras or set(before.counts()) != {RECORDED}:
            raise InputError(
                "goal set", where=folder / TABLE,
                got=f"goals of the cameras {sorted(before.cameras)}: {before.counts()}",
                expected=f"{RECORDED} goals of the cameras {cameras}",
                todo="name another folder",
            )  # fmt: skip
        goals = replace(before, goals=(*before.goals, shown))
    goals.write(folder)
    return goals
