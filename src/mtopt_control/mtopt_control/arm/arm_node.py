"""The arm as a node: actions in, joint trajectories out, behind the safety clamp."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.timer import Timer
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger

from mtopt_control.arm.arm_core import ArmCore
from mtopt_control.arm.kinematics import read_urdf
from mtopt_control.arm.ros_outputs import ControllerOutputs
from mtopt_control.arm.ros_stop import StopTopics
from mtopt_control.arm.signs import Signs
from mtopt_control.arm.trajectory import Trajectory
from mtopt_control.ticks import tick_of
from mtopt_msgs.msg import ActionCommanded, ActionSent, ToolState
from mtopt_spec import ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S, Action, SentAction
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.episode import JointState
from mtopt_spec.errors import InputError
from mtopt_spec.robot import DESCRIPTION_TOPIC, RobotConfig, load_robot
from mtopt_spec.ros_parameters import declare, installed, robot_of
from mtopt_spec.ros_qos import driver_qos
from mtopt_spec.ros_run import run
from mtopt_spec.ros_time_jump import TimeJumps

_NO_LESS_S = 2e-4
"""A timer may come so much before its time."""


@dataclass(frozen=True)
class ArmParameters:
    """Parameters of arm_node.

    Attributes:
        robot_file: The robot's file, absolute or below the installed params/. Required.
        max_tracking_error_rad: Distance of a measured joint from the commanded one from which the
            arm gives way. Required.
        heartbeat_timeout_s: Age of the episode node's heartbeat from which the arm holds. Required.
        max_camera_age_s: Age of a camera's newest picture from which nothing moves the arm.
            Required.
        max_observation_age_s: Age of an observation from which no action answers it. Required.
        camera_names: Whose pictures policies go by.
        watch_period_s: Wall time between two looks at these ages while a motion is under way;
            where time stands still they are looked at with every action.
        tool_state_period_s: Between tool states: one a tick, with the tick's stamp.
        lockstep: Time stands still while a robot decides: a reading is as old as the observation
            that the action answers, and a trajectory carries the stamp of that observation. Else
            ages go by the node's clock, and trajectories have no stamp: "start now".
    """

    robot_file: str
    max_tracking_error_rad: float
    heartbeat_timeout_s: float
    max_camera_age_s: float
    max_observation_age_s: float
    camera_names: tuple[str, ...] = ("shoulder", "wrist")
    watch_period_s: float = 0.01
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
        self._core: ArmCore | None = None
        for name in (
            "max_tracking_error_rad",
            "heartbeat_timeout_s",
            "max_camera_age_s",
            "max_observation_age_s",
            "watch_period_s",
            "tool_state_period_s",
        ):
            if not 0 < getattr(p, name) < math.inf:
                raise InputError(
                    name, where="arm_node", got=getattr(p, name), expected="above 0, and finite"
                )
        robot = load_robot(installed(p.robot_file, "params"))
        if robot.urdf == DESCRIPTION_TOPIC:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._description = self.create_subscription(
                String, DESCRIPTION_TOPIC, lambda message: self._begin(robot, message.data), latched
            )
            self.get_logger().info(f"waiting for {self._description.topic_name}")
        else:
            self._begin(robot, read_urdf(Path(robot.urdf)))

    def _begin(self, robot: RobotConfig, urdf: str) -> None:
        """Makes core and endpoints, once the description is there."""
        if self._core is not None:
            self.get_logger().error("another robot_description came: start again to use it")
            return
        p = self._settings
        self._core = ArmCore(
            robot,
            urdf,
            max_tracking_error_rad=p.max_tracking_error_rad,
            max_heartbeat_age_s=p.heartbeat_timeout_s,
            max_camera_age_s=p.max_camera_age_s,
            max_observation_age_s=p.max_observation_age_s,
            time_waits=p.lockstep,
        )
        self._frame_id = f"{robot_of(self)}/bin"
        self._reading: JointState | None = None
        self._complained = ""
        self._heartbeat_s = -math.inf
        self._seen_s = dict.fromkeys(p.camera_names, -math.inf)
        self._answered: ActionCommanded | None = None
        self._waiting: ActionCommanded | None = None
        self._turn: Timer | None = None
        self._answered_stamp = None
        self._tool_tick_s = self._tool_stamp_s = -math.inf
        self._jumps = TimeJumps(self, self._begin_anew)
        deep = QoSProfile(depth=20)
        self._outputs = ControllerOutputs(self, robot)
        self._sent = self.create_publisher(ActionSent, "action/sent", deep)
        self._tool = self.create_publisher(ToolState, "tool_state", deep)
        # only the newest reading counts: best effort hears any driver; lockstep waits for each
        newest = driver_qos(1, reliable=p.lockstep)
        self.create_subscription(JointStateMessage, "joint_states", self._on_joint_state, newest)
        self.create_subscription(ActionCommanded, "action/commanded", self._on_action, deep)
        self.create_subscription(Header, "episode/heartbeat", self._on_heartbeat, 1)
        for camera in p.camera_names:
            self.create_subscription(
                Header,
                f"{CAMERA_NAMESPACES.get(camera, camera)}/image/seen",
                lambda message, camera=camera: self._on_seen(camera, message),
                1,
            )
        self._stops = StopTopics(self, self._on_stop_topic)
        self.create_service(Trigger, "arm/stop", self._on_stop)
        self.create_service(Trigger, "arm/resume", self._on_resume)
        if not p.lockstep:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(p.watch_period_s, self._watch, clock=steady)

    @property
    def stopped(self) -> bool:
        """Latched: it holds until arm/resume."""
        return self._core is not None and self._core.stopped

    @property
    def stop_asserted(self) -> bool:
        """A stop topic's last word is stop."""
        return self._core is not None and bool(self._stops.asserted())

    def _on_joint_state(self, message: JointStateMessage) -> None:
        reading = ros_messages.from_joint_state(message)
        try:
            self._core.check_joints(reading.names)
        except InputError as error:  # of a part of the robot: no reading, so that the last one ages
            self._complain(str(error))
            return
        self._jumps.see("joint_states", reading.stamp_s)
        self._publish_tool_state(reading)
        self._reading = reading

    def _begin_anew(self, now_s: float) -> None:
        """Time went back: the arm may be anywhere, nobody lives, nothing has been answered yet."""
        self._reading = self._answered = self._waiting = self._answered_stamp = None
        self._heartbeat_s = self._tool_tick_s = self._tool_stamp_s = -math.inf
        self._seen_s = dict.fromkeys(self._seen_s, -math.inf)
        self._core.begin_anew()

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

    def _on_heartbeat(self, message: Header) -> None:
        self._heartbeat_s = ros_messages.from_time(message.stamp)

    def _on_seen(self, camera: str, message: Header) -> None:
        self._seen_s[camera] = ros_messages.from_time(message.stamp)

    def _on_action(self, message: ActionCommanded) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        if stamp == self._answered_stamp:
            return  # one command a control period
        self._answered_stamp = stamp
        if self._reading is None:
            self._complain("no joint state yet: an action was left undone")
            return
        early_s = 0.0 if self._settings.lockstep else self._core.free_at_s - self._clock_s()
        if early_s > 0 and self._waiting is None:
            self._waiting = message
            self._turn = self.create_timer(early_s + _NO_LESS_S, self._take_waiting)
        else:
            self._take(message)

    def _take_waiting(self) -> None:
        """The motion under way is over, to the millisecond: what came late would add up.

        One that was braked meanwhile may last a little longer: `_watch` looks again.
        """
        if self._turn is not None:
            self.destroy_timer(self._turn)
            self._turn = None
        if self._waiting is not None and self._clock_s() >= self._core.free_at_s:
            message, self._waiting = self._waiting, None
            self._take(message)

    def _take(self, message: ActionCommanded) -> None:
        action, flaw = Action(), ""
        if message.header.frame_id == self._frame_id:
            try:
                action = ros_messages.from_action_commanded(message)
            except ValueError as error:  # a kind that there is not
                flaw = str(error)
        else:
            flaw = f"action in frame {message.header.frame_id!r}, expected {self._frame_id!r}"
        if self.count_publishers(self._sent.topic_name) > 1:
            flaw = "two arm_nodes answer here: end one of them"
        now_s = self._now_s(message)
        signs = self._signs(ros_messages.from_time(message.header.stamp))
        self._answered = message
        if self._core.counts_anew(now_s):
            self._outputs.forget_gripper()
        self._publish(message, *self._core.step(action, self._reading, now_s, signs, flaw))

    def _publish(self, message: ActionCommanded, sent: SentAction, trajectory: Trajectory) -> None:
        """Sends a trajectory, and says so in answer to a command."""
        if len(trajectory.times_s):
            start = message.header.stamp if self._settings.lockstep else Time()
            self._outputs.send(trajectory, self._core.gripper_command, start)
        self._sent.publish(
            ros_messages.to_action_sent(
                sent,
                header=message.header,
                episode_id=message.episode_id,
                step_index=message.step_index,
            )
        )

    def _signs(self, observation_s: float) -> Signs:
        camera_s = min(self._seen_s.values(), default=math.inf)
        return Signs(self._reading.stamp_s, self._heartbeat_s, camera_s, observation_s)

    def _watch(self) -> None:
        """Time runs freely: stops what may not go on, takes an action that came early."""
        if self._answered is None:
            return
        now_s = self._clock_s()
        observation_s = now_s  # of a motion under way it was looked at when that began
        stopped = self._core.watch(self._reading, now_s, self._signs(observation_s))
        if stopped is not None:
            sent, trajectory = stopped
            self._publish(self._answered, sent, trajectory)
            self.get_logger().warning(f"braked: {sent.error_msg}", throttle_duration_sec=1.0)
        if self._turn is None:
            self._take_waiting()

    def _now_s(self, message: ActionCommanded) -> float:
        """Time against which ages are measured."""
        if self._settings.lockstep:
            return ros_messages.from_time(message.header.stamp)
        return self._clock_s()

    def _clock_s(self) -> float:
        return self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS

    def _on_stop(self, request, response: Trigger.Response) -> Trigger.Response:
        self._stop("arm/stop")
        response.success, response.message = True, "the arm holds"
        return response

    def _on_stop_topic(self, topic: str) -> None:
        self._stop(topic)

    def _stop(self, who: str) -> None:
        if not self._core.stopped:
            self.get_logger().warning(f"stopped by {who}: the arm holds until arm/resume")
        self._core.stop()
        if not self._settings.lockstep:
            self._watch()

    def _on_resume(self, request, response: Trigger.Response) -> Trigger.Response:
        asserted = self._stops.asserted()
        if asserted:
            response.success = False
            response.message = (
                f"{' and '.join(asserted)} still says stop: publish false there first"
            )
            return response
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
