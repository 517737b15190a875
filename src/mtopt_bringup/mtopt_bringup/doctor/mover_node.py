"""Asks arm_node for the actions of a plan, one a tick, and hears what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from mtopt_bringup.doctor.motion import Followed, MotionPlan
from mtopt_msgs.msg import ActionCommanded, ActionSent, ToolState
from mtopt_spec import ros_messages
from mtopt_spec.action import ArmError
from mtopt_spec.bag_topics import ACTION_COMMANDED, ACTION_SENT, JOINT_TRAJECTORY, TOOL_STATE
from mtopt_spec.robot import RobotConfig
from mtopt_spec.ros_qos import driver_qos

DOCTOR = "doctor"


class MoverNode(Node):
    """Goes through arm_node, and so through its clamp, like everything that moves the arm.

    Args:
        name: Namespace of the robot.
        robot: Its folder.
        context: Of the visit.

    Attributes:
        pose: x, y, z (m), azimuth (rad) of the tool, by the newest tool state; None before it.
        others: Somebody else commands the arm.
        refused: What arm_node said against an action: the plan ends there, as what is left of it
            would lead out of the box. Empty while all is well.
    """

    def __init__(self, name: str, robot: RobotConfig, *, context: Context):
        super().__init__("mtopt_doctor_mover", namespace=f"/{name}", context=context)
        self._robot = robot
        self.pose: tuple[float, ...] | None = None
        self.others = False
        self.refused = ""
        self._plan: MotionPlan | None = None
        self._next = 0
        self._asked_s: dict[tuple[int, int], float] = {}
        self._answers_s: list[float] = []
        self._trajectories: list[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = []
        self._states: list[tuple[float, np.ndarray]] = []
        self._answered = 0
        self._actions = self.create_publisher(ActionCommanded, ACTION_COMMANDED.name, 20)
        for kind, topic, take in (
            (ToolState, TOOL_STATE.name, self._on_tick),
            (ActionSent, ACTION_SENT.name, self._on_sent),
            (JointTrajectory, JOINT_TRAJECTORY.name, self._on_trajectory),
        ):
            self.create_subscription(kind, topic, take, 50)
        self.create_subscription(JointState, "joint_states", self._on_joints, driver_qos(50))

    @property
    def ready(self) -> bool:
        """arm_node is there, and hears this node."""
        return self.pose is not None and self._actions.get_subscription_count() > 0

    @property
    def done(self) -> bool:
        """All actions are answered, or the plan has ended early."""
        answered = self._plan is not None and self._answered >= len(self._plan.actions)
        return answered or self.others or bool(self.refused)

    def begin(self, plan: MotionPlan) -> None:
        """Asks for the plan's first action at the next tick."""
        self._plan, self._states = plan, self._states[-1:]

    def followed(self) -> Followed:
        """What was heard so far."""
        return Followed(np.array(self._answers_s), self._trajectories, self._states)

    def _on_tick(self, message: ToolState) -> None:
        self.pose = (*(float(x) for x in message.position_bin_m), float(message.azimuth_rad))
        if self._plan is None or self.done or self._next == len(self._plan.actions):
            return
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        if stamp in self._asked_s or self._answered < self._next:
            return
        self._asked_s[stamp] = time.monotonic()
        action = self._plan.actions[self._next]
        self._next += 1
        self._actions.publish(
            ros_messages.to_action_commanded(
                action, header=message.header, episode_id=DOCTOR, step_index=self._next - 1
            )
        )

    def _on_sent(self, message: ActionSent) -> None:
        if message.episode_id != DOCTOR:
            self.others = True
            return
        self._answered = max(self._answered, message.step_index + 1)
        if message.error_code != ArmError.NONE:
            self.refused = f"arm_node: {message.error_msg or message.error_code}"

    def _on_trajectory(self, message: JointTrajectory) -> None:
        if self._plan is None:
            return
        now_s = time.monotonic()
        if len(self._answers_s) < len(self._asked_s):
            self._answers_s.append(now_s - list(self._asked_s.values())[-1])
        names, positions, velocities, times_s = ros_messages.from_joint_trajectory(message)
        columns = self._columns(names)
        self._trajectories.append((now_s, positions[:, columns], velocities[:, columns], times_s))

    def _on_joints(self, message: JointState) -> None:
        columns = self._columns(message.name)
        self._states.append((time.monotonic(), np.array(message.position, float)[columns]))

    def _columns(self, names: Sequence[str]) -> list[int]:
        return [list(names).index(joint) for joint in self._robot.arm_joints]
