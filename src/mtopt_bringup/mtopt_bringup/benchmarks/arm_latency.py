"""From an action to its trajectory: an arm node in a process of its own, asked over ROS."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

_TIMEOUT_S = 30.0
_SHOW_AGAIN_S = 0.5


def latency_ms(actions: int, seed: int) -> np.ndarray:
    """(actions,) ms from publishing an action to receiving its first trajectory."""
    from rclpy.node import Node

    from mtopt_bringup.domain import domain_environment
    from mtopt_bringup.ros_visit import RosVisit
    from mtopt_spec.resources import share_dir
    from mtopt_spec.ros_run import EventsExecutor

    environment = domain_environment()
    argv = [sys.executable, "-m", "mtopt_control.arm.arm_node", "--ros-args"]
    argv += ["--params-file", str(share_dir() / "params" / "arm_node.yaml")]
    argv += ["-p", "lockstep:=true", "-r", "__ns:=/robot_1"]
    process = subprocess.Popen(argv, env={**os.environ, **environment})
    try:
        with RosVisit(
            lambda context: Node("benchmark", context=context, namespace="/robot_1"),
            int(environment["ROS_DOMAIN_ID"]), EventsExecutor,
        ) as visit:  # fmt: skip
            return _Driver(visit).measure(actions, np.random.default_rng(seed))
    finally:
        process.terminate()
        process.wait(20)


class _Driver:
    """What stands round an arm node: joints, cameras, an episode node."""

    def __init__(self, visit):
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import JointState
        from std_msgs.msg import Header
        from trajectory_msgs.msg import JointTrajectory

        from mtopt_msgs.msg import ActionCommanded, ToolState
        from mtopt_spec.robot import load_robot, worlds_robot_folder

        robot = load_robot(worlds_robot_folder())
        self._names = [*robot.arm_joints, robot.finger_joint]
        self._position = [*robot.home_position, robot.finger_open_m]
        self._visit, node = visit, visit.node
        deep = QoSProfile(depth=20)
        self._joints = node.create_publisher(JointState, "joint_states", deep)
        self._actions = node.create_publisher(ActionCommanded, "action/commanded", deep)
        self._signs = [
            node.create_publisher(Header, topic, deep)
            for topic in ("episode/heartbeat", "camera/image/seen", "wrist_camera/image/seen")
        ]
        self._tool_s, self._trajectory = -1.0, None
        node.create_subscription(ToolState, "tool_state", self._on_tool, deep)
        node.create_subscription(JointTrajectory, "joint_trajectory", self._on_trajectory, deep)

    def _on_tool(self, message) -> None:
        from mtopt_spec import ros_messages

        self._tool_s = ros_messages.from_time(message.header.stamp)

    def _on_trajectory(self, message) -> None:
        self._trajectory = (time.perf_counter(), message)

    def measure(self, actions: int, random: np.random.Generator) -> np.ndarray:
        from mtopt_spec import ros_messages
        from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M, Action

        spent_ms = []
        for tick in range(actions + 20):
            stamp_s = round(0.2 * tick, 9)
            self._show(stamp_s)
            way = random.uniform(-1.0, 1.0, 4) * ([MAX_TRANSLATION_M] * 3 + [MAX_AZIMUTH_RAD])
            action = Action(translation_m=tuple(way[:3].tolist()), azimuth_rad=float(way[3]))
            message = ros_messages.to_action_commanded(
                action,
                header=ros_messages.to_header(stamp_s, "robot_1/bin"),
                episode_id="benchmark",
                step_index=tick % 20,
            )
            self._trajectory = None
            began_s = time.perf_counter()
            self._actions.publish(message)
            if not self._visit.until(lambda: self._trajectory is not None, _TIMEOUT_S):
                raise RuntimeError(f"arm_node on its own: no trajectory within {_TIMEOUT_S} s")
            arrived_s, trajectory = self._trajectory
            self._position = list(trajectory.points[-1].positions)
            spent_ms.append(1e3 * (arrived_s - began_s))
        return np.array(spent_ms[20:])  # the first ones warm up

    def _show(self, stamp_s: float) -> None:
        """A tick: joints and signs of life, until the arm node has them."""
        from sensor_msgs.msg import JointState

        from mtopt_spec import ros_messages

        header = ros_messages.to_header(stamp_s, "")
        joints = JointState(header=header, name=self._names, position=self._position)
        for _ in range(round(_TIMEOUT_S / _SHOW_AGAIN_S)):
            for publisher in self._signs:
                publisher.publish(header)
            self._joints.publish(joints)
            if self._visit.until(lambda: self._tool_s == stamp_s, _SHOW_AGAIN_S):
                return
        raise RuntimeError(f"arm_node on its own: no tool state within {_TIMEOUT_S} s")
