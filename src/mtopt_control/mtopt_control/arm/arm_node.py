"""The arm as a node: actions in, joint trajectories out, behind the safety clamp."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState as JointStateMessage
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_control.ticks import tick_of
from mtopt_msgs.msg import ActionCommanded, ActionSent, ToolState
from mtopt_spec import ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S, Action
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.robot import load_robot
from mtopt_spec.ros_parameters import declare, installed, robot_of
from mtopt_spec.ros_run import run


@dataclass(frozen=True)
class ArmParameters:
    """Parameters of arm_node.

    Attributes:
        robot_file: The robot's file, absolute or below the installed params/. Required.
        max_tracking_error_rad: Distance of a measured joint from the commanded one from which the
            arm gives way. Required.
        tool_state_period_s: Between tool states: one a tick, with the tick's stamp.
        lockstep: Time stands still while a robot decides: a reading is as old as the observation
            that the action answers, and a trajectory carries the stamp of that observation. Else
            ages go by the node's clock, and trajectories have no stamp: "start now".
    """

    robot_file: str
    max_tracking_error_rad: float
    tool_state_period_s: float = CONTROL_PERIOD_S
    lockstep: bool = False


class ArmNode(Node):
    """Carries messages to and from an `ArmCore`."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "arm_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self._settings = p = declare(self, ArmParameters)
        if not p.tool_state_period_s > 0 or not p.max_tracking_error_rad > 0:
            raise InputError(
                "tool_state_period_s, max_tracking_error_rad",
                where="arm_node",
                got=(p.tool_state_period_s, p.max_tracking_error_rad),
                expected="above 0",
            )
        robot = load_robot(installed(p.robot_file, "params"))
        self._core = ArmCore(
            robot,
            read_urdf(installed(robot.urdf)),
            max_tracking_error_rad=p.max_tracking_error_rad,
        )
        self._frame_id = f"{robot_of(self)}/bin"
        self._reading: JointState | None = None
        self._complained = ""
        self._answered_stamp = None
        self._tool_tick_s = self._tool_stamp_s = -math.inf
        deep = QoSProfile(depth=20)
        self._trajectories = self.create_publisher(JointTrajectory, "joint_trajectory", deep)
        self._sent = self.create_publisher(ActionSent, "action/sent", deep)
        self._tool = self.create_publisher(ToolState, "tool_state", deep)
        # only the newest reading counts
        self.create_subscription(JointStateMessage, "joint_states", self._on_joint_state, 1)
        self.create_subscription(ActionCommanded, "action/commanded", self._on_action, deep)
        self.create_service(Trigger, "arm/stop", self._on_stop)
        self.create_service(Trigger, "arm/resume", self._on_resume)

    def _on_joint_state(self, message: JointStateMessage) -> None:
        reading = ros_messages.from_joint_state(message)
        try:
            self._publish_tool_state(reading)
        except InputError as error:
            self._complain(str(error))
            return
        self._reading = reading

    def _publish_tool_state(self, reading: JointState) -> None:
        """At the first reading of a tick; the same one again until somebody has acted."""
        tick_s = tick_of(reading.stamp_s, self._settings.tool_state_period_s)
        if tick_s == self._tool_tick_s and self._answered_stamp is not None:
            return
        if tick_s == self._tool_tick_s and reading.stamp_s != self._tool_stamp_s:
            return
        self._tool_tick_s, self._tool_stamp_s = tick_s, reading.stamp_s
        observation = replace(self._core.observation(reading, {}), stamp_s=tick_s)
        self._tool.publish(ros_messages.to_tool_state(observation, frame_id=self._frame_id))

    def _on_action(self, message: ActionCommanded) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        if stamp == self._answered_stamp:
            return  # one command a control period
        self._answered_stamp = stamp
        if self._reading is None:
            self._complain("no joint state yet: an action was left undone")
            return
        try:
            action = ros_messages.from_action_commanded(message)
        except ValueError:  # a kind that there is not: the clamp shall say so
            action = Action(translation_m=(math.nan,) * 3)
        sent, trajectory = self._core.step(action, self._reading, self._now_s(message))
        if len(trajectory.times_s):
            joint_trajectory = ros_messages.to_joint_trajectory(
                trajectory.joint_names,
                trajectory.positions,
                trajectory.velocities,
                trajectory.times_s,
            )
            if self._settings.lockstep:
                joint_trajectory.header.stamp = message.header.stamp
            self._trajectories.publish(joint_trajectory)
        self._sent.publish(
            ros_messages.to_action_sent(
                sent,
                header=message.header,
                episode_id=message.episode_id,
                step_index=message.step_index,
            )
        )

    def _now_s(self, message: ActionCommanded) -> float:
        """Time against which a reading's age is measured."""
        if self._settings.lockstep:
            return ros_messages.from_time(message.header.stamp)
        return self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS

    def _on_stop(self, request, response: Trigger.Response) -> Trigger.Response:
        self._core.stop()
        self.get_logger().warning("stopped: every action is answered by a hold until arm/resume")
        response.success, response.message = True, "the arm holds"
        return response

    def _on_resume(self, request, response: Trigger.Response) -> Trigger.Response:
        self._core.resume()
        self.get_logger().info("resumed")
        response.success, response.message = True, "the arm takes actions"
        return response

    def _complain(self, text: str) -> None:
        """Logs each new problem once."""
        if text != self._complained:
            self._complained = text
            self.get_logger().error(text)


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [ArmNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
