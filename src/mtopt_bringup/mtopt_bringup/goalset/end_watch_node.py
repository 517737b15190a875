"""Watches a cell that is to reach goals: how far from its goal each episode ends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from rclpy.context import Context
from rclpy.node import Node

from mtopt_msgs.msg import EpisodeBegin, EpisodeEnd, SceneTruth
from mtopt_spec import ros_messages
from mtopt_spec.goal import REACH_GOAL, GoalTruth

_SCENES = 300
"""Of each robot, that are kept until the end that they belong to is heard of: a minute."""
_DEPTH = 1000


class EndWatchNode(Node):
    """Listens; it takes no part in the cell.

    Args:
        robots: Namespaces.
        wanted: Seed of an episode to what it is to bring about.

    Attributes:
        begun: Id to seed of the episodes with a goal.
        ended: Id to robot and stamp, ns, of those that are over.
    """

    def __init__(self, robots: Sequence[str], wanted: Mapping[int, GoalTruth], *, context: Context):
        super().__init__("end_watch_node", context=context)
        self._wanted = wanted
        self._scenes: dict[str, deque] = {robot: deque(maxlen=_SCENES) for robot in robots}
        self.begun: dict[str, int] = {}
        self.ended: dict[str, tuple[str, int]] = {}
        self._distance_m: dict[str, float] = {}
        for robot in robots:
            self.create_subscription(EpisodeBegin, f"/{robot}/episode/begin", self._begin, _DEPTH)
            self.create_subscription(
                EpisodeEnd, f"/{robot}/episode/end",
                lambda end, robot=robot: self._end(robot, end), _DEPTH,
            )  # fmt: skip
            self.create_subscription(
                SceneTruth, f"/truth/{robot}/scene",
                lambda scene, robot=robot: self._scene(robot, scene), _DEPTH,
            )  # fmt: skip

    def distance_m(self, episode_id: str) -> float:
        """From the object's centre to where the picture shows it, at the end; NaN if unknown."""
        return self._distance_m.get(episode_id, math.nan)

    def _begin(self, message: EpisodeBegin) -> None:
        if message.task == REACH_GOAL and message.seed in self._wanted:
            self.begun[message.episode_id] = message.seed

    def _end(self, robot: str, message: EpisodeEnd) -> None:
        if message.episode_id in self.begun:
            self.ended[message.episode_id] = robot, _stamp_ns(message)
            for scene in self._scenes[robot]:
                self._match(robot, message.episode_id, scene)

    def _scene(self, robot: str, message: SceneTruth) -> None:
        self._scenes[robot].append(message)
        for episode_id in [e for e in self.ended if e not in self._distance_m]:
            self._match(robot, episode_id, message)

    def _match(self, robot: str, episode_id: str, scene: SceneTruth) -> None:
        """Takes the distance where the scene is the one that the episode ended in."""
        wanted = self._wanted[self.begun[episode_id]]
        same = self.ended[episode_id] == (robot, _stamp_ns(scene))
        if same and wanted.object in scene.object_names:
            centre = scene.poses[scene.object_names.index(wanted.object)].position
            self._distance_m[episode_id] = math.dist(
                (centre.x, centre.y, centre.z), wanted.position_bin_m
            )


def _stamp_ns(message) -> int:
    return ros_messages.stamp_ns(ros_messages.from_time(message.header.stamp))
