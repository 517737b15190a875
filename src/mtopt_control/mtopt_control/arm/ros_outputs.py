"""A robot's controllers: their trajectories, and the gripper by trajectory, action or position."""

from __future__ import annotations

from collections.abc import Callable

from builtin_interfaces.msg import Time
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from mtopt_control.arm.outputs import (
    GripperGoal,
    controller_trajectories,
    gripper_goal,
    with_finger_joint,
)
from mtopt_control.arm.trajectory import Trajectory
from mtopt_spec import ros_messages
from mtopt_spec.bag_topics import JOINT_TRAJECTORY
from mtopt_spec.errors import InputError
from mtopt_spec.robot import RobotConfig


class ControllerOutputs:
    """Publishers and clients of the topics that a robot's folder names.

    The whole motion goes to `joint_trajectory` too, which bags hold, unless a controller is there.

    Args:
        node: Of the arm.
        robot: Its folder.

    Raises:
        InputError: The gripper's message type is not installed.
    """

    def __init__(self, node: Node, robot: RobotConfig):
        self._robot = robot
        gripper = robot.gripper
        topics = {JOINT_TRAJECTORY.name, robot.trajectory_topic}
        if gripper.command == "trajectory":
            topics.add(gripper.topic)
        deep = QoSProfile(depth=20)
        self._publishers = {
            topic: node.create_publisher(JointTrajectory, topic, deep) for topic in sorted(topics)
        }
        make: dict[str, Callable[[], Callable[[GripperGoal], bool]]] = {
            "trajectory": lambda: lambda goal: True,
            "position": lambda: _position_gripper(node, gripper.topic),
            "action": lambda: _action_gripper(node, gripper.topic, self.forget_gripper),
        }
        self._tell_gripper = make[gripper.command]()
        self._told: bool | None = None

    def forget_gripper(self) -> None:
        """It is told again with the next motion: it did not take it, or was started again."""
        self._told = None

    def send(self, motion: Trajectory, closed: bool | None, stamp: Time) -> None:
        """Sends a motion, and tells the gripper where what it is to do has changed.

        Args:
            motion: Arm joints, then the finger in m of its way.
            closed: The gripper is to be closed, or open; None: it stays as it is.
            stamp: Start of the motion; zero: now.
        """
        whole = {JOINT_TRAJECTORY.name: with_finger_joint(self._robot, motion)}
        for topic, part in (whole | controller_trajectories(self._robot, motion)).items():
            message = ros_messages.to_joint_trajectory(
                part.joint_names, part.positions, part.velocities, part.times_s
            )
            message.header.stamp = stamp
            self._publishers[topic].publish(message)
        if closed is None or closed == self._told:
            return
        if self._tell_gripper(gripper_goal(self._robot, closed)):
            self._told = closed


def _position_gripper(node: Node, topic: str) -> Callable[[GripperGoal], bool]:
    publisher = node.create_publisher(Float64MultiArray, topic, QoSProfile(depth=20))

    def tell(goal: GripperGoal) -> bool:
        publisher.publish(Float64MultiArray(data=[float(goal.position)]))
        heard = publisher.get_subscription_count() > 0
        if not heard:
            _nobody(node, topic)
        return heard

    return tell


def _nobody(node: Node, topic: str) -> None:
    node.get_logger().error(f"{topic}: no gripper answers there", throttle_duration_sec=10.0)


def _action_gripper(
    node: Node, topic: str, on_refused: Callable[[], None]
) -> Callable[[GripperGoal], bool]:
    try:
        from control_msgs.action import GripperCommand
    except ImportError as error:
        raise InputError(
            "gripper command action", where=node.get_name(), got=f"{error}",
            expected="control_msgs", todo="install ros-jazzy-control-msgs",
        ) from error  # fmt: skip
    client = ActionClient(node, GripperCommand, topic)

    def answered(future) -> None:
        handle = future.result()
        if handle is None or not handle.accepted:
            node.get_logger().error(f"{topic}: the gripper refused a goal")
            on_refused()

    def tell(goal: GripperGoal) -> bool:
        if not client.server_is_ready():
            _nobody(node, topic)
            return False
        request = GripperCommand.Goal()
        request.command.position = float(goal.position)
        request.command.max_effort = float(goal.max_effort)
        client.send_goal_async(request).add_done_callback(answered)
        return True

    return tell
