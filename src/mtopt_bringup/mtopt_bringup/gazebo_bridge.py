"""The configuration of ros_gz_bridge for a cell: what its node graph needs of its world file."""

from __future__ import annotations

from pathlib import Path

import yaml

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.graph import bridge_file, gazebo_world, robot_names
from mtopt_sim import gazebo_topics
from mtopt_sim import world_file as worlds
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside

_HEAD = "# Made from worlds/{world} and the cell's node graph; see docs/gazebo.md.\n"


def bridge_topics(options: CellOptions) -> tuple[gazebo_topics.BridgedTopic, ...]:
    """Everything that passes between Gazebo and the cell's nodes.

    Raises:
        InputError: The world has fewer robots than the cell.
    """
    path = gazebo_world(options)
    there = worlds.robot_names(path)
    robots = robot_names(options)
    if missing := [name for name in robots if name not in there]:
        raise InputError("robots", where=path, got=f"no {missing}", expected=list(there))
    world = worlds.read_world(path)
    topics = [gazebo_topics.clock()]
    for robot in robots:
        topics += gazebo_topics.robot_topics(world, robot)
    return tuple(topics)


def bridge_yaml(options: CellOptions) -> str:
    """The same as ros_gz_bridge reads it."""
    entries = [
        {
            "ros_topic_name": topic.ros,
            "gz_topic_name": topic.gz,
            "ros_type_name": topic.ros_type,
            "gz_type_name": topic.gz_type,
            "direction": "GZ_TO_ROS" if topic.to_ros else "ROS_TO_GZ",
        }
        for topic in bridge_topics(options)
    ]
    head = _HEAD.format(world=gazebo_world(options).name)
    return head + yaml.safe_dump(entries, sort_keys=False)


def write_bridge(options: CellOptions, path: Path | None = None) -> Path:
    """Writes it to `path`, or to where the graph's bridge looks for it; returns the path."""
    path = path or bridge_file(options)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, bridge_yaml(options).encode())
    return path
