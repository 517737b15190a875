"""Arms that follow: what stands behind a robot's controllers, by its folder alone, without physics.

`python follower_node.py robot_1=FOLDER robot_2=FOLDER ...`. Each takes the trajectories that
joint_trajectory_controller takes, interpolates as it does, and publishes joint states.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rclpy.action import ActionServer
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from scipy.interpolate import CubicHermiteSpline
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from mtopt_control.arm.kinematics import read_urdf
from mtopt_spec import ros_messages
from mtopt_spec.robot import DESCRIPTION_TOPIC, load_robot
from mtopt_spec.ros_run import run

PERIOD_S = 0.02
FINGER_S = 0.4
"""Time that a gripper without a trajectory takes from open to closed."""


class FollowerNode(Node):
    """One robot's controllers."""

    def __init__(self, robot: str, folder: Path, *, context):
        super().__init__("controller_manager", namespace=f"/{robot}", context=context)
        self.robot = load_robot(folder)
        self.names = [*self.robot.arm_joints, self.robot.finger_joint, self.robot.hinge_joint]
        gripper = self.robot.gripper
        self.start = np.array([*self.robot.home_position, gripper.joint_open, 0.0])
        self.paths: dict[str, tuple[float, CubicHermiteSpline]] = {}
        self.finger_goal = None
        self.refused = 0
        self.states = self.create_publisher(JointState, "joint_states", 20)
        topics = {self.robot.trajectory_topic}
        if gripper.command == "trajectory":
            topics.add(gripper.topic)
        for topic in topics:
            self.create_subscription(JointTrajectory, topic, self.take, 20)
        if gripper.command == "position":
            self.create_subscription(
                Float64MultiArray, gripper.topic, lambda m: self.set_finger(m.data[0]), 20
            )
        if gripper.command == "action":
            from control_msgs.action import GripperCommand

            self.server = ActionServer(self, GripperCommand, gripper.topic, self.execute)
        if self.robot.urdf == DESCRIPTION_TOPIC:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self.description = self.create_publisher(String, DESCRIPTION_TOPIC, latched)
            text = read_urdf(next(Path(folder).glob("*.xacro")))
            self.description.publish(String(data=text))
        self.create_timer(PERIOD_S, self.tick)

    def now_s(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def take(self, message: JointTrajectory) -> None:
        """As the controller: a joint that it does not have refuses the whole trajectory."""
        names, positions, velocities, times = ros_messages.from_joint_trajectory(message)
        if not set(names) <= set(self.names[:-1]):
            raise RuntimeError(f"trajectory of {names}, this robot has {self.names}")
        now_s, here = self.now_s(), self.position()
        for i, name in enumerate(names):
            spline = CubicHermiteSpline(
                [0.0, *times],
                [here[self.names.index(name)], *positions[:, i]],
                [0.0, *velocities[:, i]],
            )
            self.paths[name] = (now_s, spline)

    def set_finger(self, position: float) -> None:
        self.finger_goal = position

    def execute(self, goal):
        from control_msgs.action import GripperCommand

        self.set_finger(goal.request.command.position)
        goal.succeed()
        return GripperCommand.Result(position=goal.request.command.position, reached_goal=True)

    def position(self) -> np.ndarray:
        position, now_s = self.start.copy(), self.now_s()
        for name, (begin_s, spline) in self.paths.items():
            position[self.names.index(name)] = spline(min(now_s - begin_s, spline.x[-1]))
        return position

    def tick(self) -> None:
        if self.finger_goal is not None:
            gripper = self.robot.gripper
            step = abs(gripper.joint_open - gripper.joint_closed) * PERIOD_S / FINGER_S
            left = self.finger_goal - self.start[-2]
            self.start[-2] += np.clip(left, -step, step)
        message = JointState(name=self.names, position=self.position().tolist())
        message.header.stamp = self.get_clock().now().to_msg()
        self.states.publish(message)


def main() -> int:
    pairs = [argument.split("=") for argument in sys.argv[1:]]
    return run(
        lambda context: [
            FollowerNode(name, Path(folder), context=context) for name, folder in pairs
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
