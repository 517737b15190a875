"""Joins the cell's arms to Gazebo: trajectories in close points out, one joint state back.

Gazebo's JointTrajectoryController steers to the next point without a way in between, and its engine
knows no mimic joint. Its JointStatePublisher speaks of one model, and the bin is another one.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from mtopt_sim import gazebo_topics
from mtopt_sim.dense_path import DensePath
from mtopt_sim.world_file import read_world
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.robot import load_robot
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.ros_time_jump import TimeJumps


@dataclass(frozen=True)
class GazeboArmParameters:
    """Parameters of gazebo_arm_node.

    Attributes:
        robots: Of the world.
        robot_file: The robots' file, absolute or below the installed params/.
        world: World file, absolute or below the installed worlds/.
        point_s: Between two points of the trajectory that Gazebo gets.
    """

    robots: tuple[str, ...] = ("robot_1",)
    robot_file: str = "robots/iiwa14/robot.yaml"
    world: str = "one_station.sdf"
    point_s: float = 0.004


class GazeboArmNode(Node):
    """Between every robot's arm_node and Gazebo."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "gazebo_arm_node", context=context, parameter_overrides=parameter_overrides or [],
            **options,
        )  # fmt: skip
        p = declare(self, GazeboArmParameters)
        if not p.point_s > 0:
            raise InputError("point_s", where="gazebo_arm_node", got=p.point_s, expected="above 0")
        config = load_robot(installed(p.robot_file, "params"))
        world = read_world(installed(p.world, "worlds"))
        self._commanded = (*config.arm_joints, config.finger_joint)
        self._told = (*self._commanded, config.hinge_joint)
        self._arm: dict[str, JointState] = {}
        self._hinge: dict[str, JointState] = {}
        self._paths, self._dense, self._joined = {}, {}, {}
        self._jumps = TimeJumps(self, self._begin_anew)
        deep = QoSProfile(depth=20)
        for robot in p.robots:
            if robot not in world.models:
                raise InputError(
                    "robots", where=world.path, got=f"no {robot}", expected="a robot of the world"
                )
            joints = world.models[robot].joints
            mimics = {joint.name: joint.mimics for joint in joints if joint.mimics}
            self._paths[robot] = DensePath(self._commanded, mimics, p.point_s)
            self._dense[robot] = self.create_publisher(
                JointTrajectory, gazebo_topics.dense_trajectory(robot), deep
            )
            self._joined[robot] = self.create_publisher(JointState, f"/{robot}/joint_states", deep)
            # Older Gazebos tell of every step: only the newest reading counts.
            for kind, topic, callback in (
                (JointState, gazebo_topics.arm_joint_states(robot), self._on_arm),
                (JointState, gazebo_topics.hinge_joint_states(robot), self._on_hinge),
            ):
                self.create_subscription(kind, topic, functools.partial(callback, robot), 1)
            self.create_subscription(
                JointTrajectory, f"/{robot}/joint_trajectory",
                functools.partial(self._on_trajectory, robot), deep,
            )  # fmt: skip

    def _begin_anew(self, now_s: float) -> None:
        """Time went back: Gazebo's world was reset, or it was started again."""
        self._arm.clear()
        self._hinge.clear()
        for path in self._paths.values():
            path.begin_anew()

    def _on_hinge(self, robot: str, message: JointState) -> None:
        self._hinge[robot] = message

    def _on_arm(self, robot: str, message: JointState) -> None:
        """The arm's reading with the newest of the hinge, at the arm's stamp."""
        self._jumps.see(robot, ros_messages.from_time(message.header.stamp))
        self._arm[robot] = message
        hinge = self._hinge.get(robot)
        if hinge is None:
            return
        arm, bin_ = ros_messages.from_joint_state(message), ros_messages.from_joint_state(hinge)
        names = (*arm.names, *bin_.names)
        if missing := [name for name in self._told if name not in names]:
            self.get_logger().error(
                f"joint states of {robot}: got {list(names)}, expected {missing} too",
                throttle_duration_sec=5.0,
            )
            return
        order = [names.index(name) for name in self._told]
        joined = JointState(header=message.header, name=list(self._told))
        for field in ("position", "velocity", "effort"):
            both = np.concatenate([getattr(arm, field), getattr(bin_, field)])
            setattr(joined, field, both[order].tolist())
        self._joined[robot].publish(joined)

    def _on_trajectory(self, robot: str, message: JointTrajectory) -> None:
        measured = self._arm.get(robot)
        try:
            names, positions, velocities, times_s = ros_messages.from_joint_trajectory(message)
            if measured is None:
                raise InputError(
                    "joint states", where=robot, got="none yet", expected="the arm's, from Gazebo"
                )
            if sorted(names) != sorted(self._commanded):
                raise InputError(
                    "joint_trajectory", where=robot, got=list(names), expected=self._commanded
                )
            columns = [names.index(name) for name in self._commanded]
            at = np.array([measured.position[measured.name.index(n)] for n in self._commanded])
            path = self._paths[robot]
            dense = path.replace(
                self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS, at,
                positions[:, columns], None if velocities is None else velocities[:, columns],
                times_s,
            )  # fmt: skip
        except (InputError, ValueError) as error:
            self.get_logger().error(f"joint_trajectory of {robot}: {error}")
            return
        self._dense[robot].publish(ros_messages.to_joint_trajectory(path.joint_names, *dense))


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [GazeboArmNode(context=context)])


if __name__ == "__main__":
    sys.exit(main())
