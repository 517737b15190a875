"""The bin reset as a node: an action server that runs `tip_bin` tick by tick."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from mtopt_control.bin_reset.tipping import ResetCanceled, ResetFailed, tip_bin
from mtopt_control.episode.requests import Act, ReadHinge
from mtopt_control.episode.ros_acting import ActionChannel
from mtopt_msgs.action import ResetBin
from mtopt_msgs.msg import ToolState
from mtopt_spec import ros_messages
from mtopt_spec.action import ArmError, Kind
from mtopt_spec.errors import InputError
from mtopt_spec.robot import load_robot
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_qos import driver_qos
from mtopt_spec.ros_run import run
from mtopt_spec.ros_time_jump import TimeJumps


@dataclass(frozen=True)
class BinResetParameters:
    """Parameters of bin_reset_node.

    Attributes:
        robot_file: The robot's file, absolute or below the installed params/. Required.
        lockstep: Time stands still while a robot decides.
        answer_timeout_s: Wall time without an answer of arm_node after which the reset is given up.
    """

    robot_file: str
    lockstep: bool = False
    answer_timeout_s: float = 60.0


class BinResetNode(Node):
    """Retracts the arm through arm_node and moves the bin's hinge."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "bin_reset_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self._settings = p = declare(self, BinResetParameters)
        self._robot = load_robot(installed(p.robot_file, "params"))
        self._plan = None
        self._goal = None
        self._finished: Future | None = None
        self._request: Act | None = None
        self._tick: ToolState | None = None
        self._canceling = False
        self._joint_state: bytes | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._heard_ns = 0
        self._jumps = TimeJumps(self, self._begin_anew)
        self._arm = ActionChannel(
            self,
            lockstep=p.lockstep,
            on_sent=self._go_on_if_answered,
            on_braked=lambda sent: None,  # its error is the answer, at the next tick
        )
        self._hinge = self.create_publisher(
            Float64, "bin/hinge_position_command", QoSProfile(depth=20)
        )
        self.create_subscription(ToolState, "tool_state", self._on_tick, QoSProfile(depth=20))
        # kept as bytes, and only the newest: the hinge's angle is rarely asked for
        # best effort hears any driver; lockstep waits for each reading
        newest = driver_qos(1, reliable=p.lockstep)
        self.create_subscription(JointState, "joint_states", self._on_joint_state, newest, raw=True)
        self._server = ActionServer(
            self,
            ResetBin,
            "reset_bin",
            self._execute,
            goal_callback=lambda goal: GoalResponse.ACCEPT,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )
        self._watchdog = self.create_timer(1.0, self._watch, clock=self._steady)
        self._watchdog.cancel()

    # --- the action ----------------------------------------------------------------------------

    async def _execute(self, goal) -> ResetBin.Result:
        if self._plan is not None:
            goal.abort()
            return ResetBin.Result(
                error_code=ResetBin.Result.ERROR_BUSY, error_msg="another reset is running"
            )
        self._goal, self._finished = goal, Future(executor=self.executor)
        self._canceling = False
        self._plan = tip_bin(self._robot, goal.request.seed)
        self._heard_ns = self._steady.now().nanoseconds
        self._watchdog.reset()
        self._go_on(None)
        result: ResetBin.Result = await self._finished
        if result.error_code == ResetBin.Result.ERROR_NONE:
            goal.succeed()
        elif result.error_code == ResetBin.Result.ERROR_CANCELED and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    def _end(self, code: int, message: str = "") -> None:
        self._watchdog.cancel()
        self._plan = self._request = self._goal = None
        self._arm.forget()
        if message:
            self.get_logger().warning(f"bin reset: {message}")
        self._finished.set_result(ResetBin.Result(error_code=code, error_msg=message))

    # --- the plan ------------------------------------------------------------------------------

    def _go_on(self, answer, thrown: Exception | None = None) -> None:
        """Sends the plan its answer and carries out what it asks next."""
        result = ResetBin.Result
        try:
            while True:
                request = self._plan.throw(thrown) if thrown else self._plan.send(answer)
                thrown = None
                if not isinstance(request, ReadHinge):
                    break
                answer = self._hinge_angle_rad()
        except StopIteration:
            return self._end(result.ERROR_NONE)
        except ResetCanceled:
            return self._end(result.ERROR_CANCELED, "canceled; the bin is level")
        except ResetFailed as failure:
            code = result.ERROR_HINGE if failure.part == "hinge" else result.ERROR_ARM
            return self._end(code, failure.message)
        self._request = request
        self._go_on_if_answered()

    def _begin_anew(self, now_s: float) -> None:
        """Time went back: what is under way is commanded again at the next tick."""
        self._tick = self._joint_state = None
        self._arm.begin_anew(now_s)

    def _on_tick(self, message: ToolState) -> None:
        self._jumps.see("tool_state", ros_messages.from_time(message.header.stamp))
        self._tick = message
        if self._plan is not None:
            self._go_on_if_answered()

    def _go_on_if_answered(self) -> None:
        """At a tick or an answer of arm_node: whatever comes second goes on."""
        if self._request is None or self._tick is None:
            return
        tick_s = ros_messages.from_time(self._tick.header.stamp)
        if not self._arm.awaits:
            self._command(tick_s)
            return
        sent = self._arm.answer(tick_s)
        if sent is None:
            return
        self._heard_ns = self._steady.now().nanoseconds
        asked = self._request.action.kind
        first = sent.error == ArmError.NONE and sent.action.kind != asked
        if first or sent.error == ArmError.BUSY:
            self._command(tick_s)  # somebody else's command came first: again
            return
        self._feedback()
        if self._goal.is_cancel_requested and not self._canceling:
            self._canceling = True
            self._go_on(None, ResetCanceled())
        else:
            self._go_on((sent, ros_messages.to_observation(self._tick, {})))

    def _command(self, tick_s: float) -> None:
        """Carries out the request at this tick, if nobody has acted in it; else at the next."""
        if not self._arm.is_free(tick_s):
            return
        if self._request.hinge_angle_rad is not None:
            self._hinge.publish(Float64(data=self._request.hinge_angle_rad))
        self._arm.command(self._request.action, tick_s)

    def _feedback(self) -> None:
        feedback = ResetBin.Feedback(hinge_angle_rad=self._hinge_angle_rad())
        if self._request.action.kind == Kind.RETRACT:
            feedback.state = ResetBin.Feedback.STATE_RETRACT
        elif self._request.hinge_angle_rad:
            feedback.state = ResetBin.Feedback.STATE_TIP
        else:
            feedback.state = ResetBin.Feedback.STATE_LEVEL
        self._goal.publish_feedback(feedback)

    def _watch(self) -> None:
        silent_s = (self._steady.now().nanoseconds - self._heard_ns) * 1e-9
        if self._plan is not None and silent_s > self._settings.answer_timeout_s:
            self._plan.close()
            self._end(ResetBin.Result.ERROR_ARM, f"no answer of arm_node for {silent_s:.1f} s")

    def destroy_node(self) -> None:
        """Destroys the action server too: what a node leaves behind is still seen by others."""
        self._server.destroy()
        super().destroy_node()

    # --- the hinge -----------------------------------------------------------------------------

    def _on_joint_state(self, message: bytes) -> None:
        self._joint_state = message

    def _hinge_angle_rad(self) -> float:
        """Measured; NaN where nobody measures it, and the bin then never counts as level."""
        if self._joint_state is None:
            return float("nan")
        message = deserialize_message(self._joint_state, JointState)
        try:
            return message.position[message.name.index(self._robot.hinge_joint)]
        except (ValueError, IndexError):
            error = InputError(
                "joint_states",
                where=self.get_namespace(),
                got=list(message.name),
                expected=f"the hinge {self._robot.hinge_joint}",
            )
            self.get_logger().error(str(error), once=True)
            return float("nan")


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [BinResetNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
