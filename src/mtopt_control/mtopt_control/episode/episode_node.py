"""A robot's life as a node: the requests of `episode.machine` become topics and services."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from mtopt_control.episode.arm_requests import FAULT_OF_ARM
from mtopt_control.episode.assembling import ObservationAssembler
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.machine import SingleEpisode, run_robot, run_single
from mtopt_control.episode.one_episode import Outcome
from mtopt_control.episode.requests import (
    Act,
    AskTask,
    Begin,
    CellFault,
    End,
    Look,
    RecordStep,
    Recover,
    ResetBin,
)
from mtopt_control.episode.ros_acting import ActionChannel
from mtopt_control.episode.ros_answers import FAULT_OF, SharedServices
from mtopt_control.episode.ros_bin_reset import BinResetClient
from mtopt_control.episode.ros_episode_servers import EpisodeServers
from mtopt_control.episode.ros_pending import PendingRequest
from mtopt_control.episode.ros_readiness import missing_endpoints
from mtopt_msgs.msg import EpisodeBegin, EpisodeEnd, EpisodeRecorded, ToolState
from mtopt_spec import bag_topics, ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S, HOLD, MAX_STEPS, SentAction
from mtopt_spec.interfaces import Fault, PolicyAnswer
from mtopt_spec.observation import Observation
from mtopt_spec.ros_parameters import declare, installed, robot_of
from mtopt_spec.ros_run import run
from mtopt_spec.ros_time_jump import TimeJumps
from mtopt_spec.task import load_tasks
from mtopt_spec.time_jump import is_ahead


@dataclass(frozen=True)
class EpisodeParameters:
    """Parameters of episode_node.

    Attributes:
        run: Name of the run: the beginning of every episode's id.
        tasks_file: Absolute or below the installed params/.
        camera_names: Cameras of an observation.
        judge: Whose label is the reward: `detector` (the simulator's where it gives none),
            `simulator`, or `none`.
        autostart: Ask the scheduler for tasks, one after the other, as soon as all is there.
        simulator: The simulator labels episodes and puts in new objects.
        require_recorder: Episodes count once the recorder says that they are on disk.
        lockstep: Time stands still while a robot decides; idle, every tick is answered by a hold.
        max_steps: Control steps of an episode.
        goal_max_steps: The same of an episode that is to reach a goal on request.
        home_spread_m: Spread of the home position in x and y.
        first_episode_number: Of this process's first episode.
        max_image_age_s: Free-running: of a picture in an observation.
        heartbeat_period_s: Between two heartbeats on the node's clock, without which the arm holds;
            where time stands still there is one a tick.
        observation_timeout_s: Wall time without the next observation that is a fault.
        answer_timeout_s: Wall time without a service's answer that is a fault.
        ask_again_s: Wall time without a service's answer after which it is asked again, and then
            again after twice as long.
        recorder_timeout_s: Wall time without the recorder's answer that makes an episode void.
        reset_timeout_s: Wall time for a bin reset.
    """

    run: str = "run"
    tasks_file: str = "tasks.yaml"
    camera_names: tuple[str, ...] = ("shoulder", "wrist")
    judge: str = "simulator"
    autostart: bool = False
    simulator: bool = False
    require_recorder: bool = True
    lockstep: bool = False
    max_steps: int = MAX_STEPS
    goal_max_steps: int = 30
    home_spread_m: float = 0.05
    first_episode_number: int = 0
    max_image_age_s: float = 0.15
    heartbeat_period_s: float = 0.05
    observation_timeout_s: float = 60.0
    answer_timeout_s: float = 30.0
    ask_again_s: float = 0.5
    recorder_timeout_s: float = 30.0
    reset_timeout_s: float = 120.0


class EpisodeNode(Node):
    """Drives a robot's generator: carries out what it asks, sends it the answers."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "episode_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self._settings = p = declare(self, EpisodeParameters)
        self._robot = robot_of(self)
        self._tasks = load_tasks(installed(p.tasks_file, "params"))
        self._config = LifeConfig(
            robot=self._robot,
            run=p.run,
            judge=p.judge,
            max_steps=p.max_steps,
            home_spread_m=p.home_spread_m,
            camera_names=p.camera_names,
            first_episode_number=p.first_episode_number,
        )
        self._assembler = ObservationAssembler(
            p.camera_names, CONTROL_PERIOD_S, 0.0 if p.lockstep else p.max_image_age_s
        )
        self.finished = False
        """The scheduler has no more for this robot."""
        self._life: Generator | None = None
        self._autostarted = False
        self._ready_checks = 0
        self._on_end = None
        self._pending = PendingRequest()
        self._observation: Observation | None = None
        self._complained = ""
        self._jumps = TimeJumps(self, self._begin_anew)
        self._make_endpoints()

    def _make_endpoints(self) -> None:
        p = self._settings
        deep = QoSProfile(depth=20)
        self._arm = ActionChannel(
            self, lockstep=p.lockstep, on_sent=self._act_or_answer, on_braked=self._on_braked
        )
        self._shared = SharedServices(
            self,
            self._robot,
            scheduler=p.autostart,
            detector=p.judge == "detector",
            simulator=p.simulator,
        )
        self._heartbeats = self.create_publisher(Header, "episode/heartbeat", 1)
        self._begins = self.create_publisher(EpisodeBegin, bag_topics.EPISODE_BEGIN.name, deep)
        self._goal_images = {
            camera: self.create_publisher(CompressedImage, bag_topics.goal_image(camera).name, deep)
            for camera in p.camera_names
        }
        self._ends = self.create_publisher(EpisodeEnd, bag_topics.EPISODE_END.name, deep)
        self.create_subscription(EpisodeRecorded, "episode/recorded", self._on_recorded, deep)
        self.create_subscription(ToolState, "tool_state", self._on_tool_state, deep)
        for camera in p.camera_names:
            self.create_subscription(
                CompressedImage,
                bag_topics.camera_image(camera).name,
                lambda message, camera=camera: self._on_image(camera, message),
                deep,
            )
        self._bin = BinResetClient(self, on_over=self._on_bin_level)
        self._server = EpisodeServers(
            self,
            self._start_single,
            self._tasks,
            p.camera_names,
            simulator=p.simulator,
            first_number=p.first_episode_number,
        )
        self.create_timer(0.1, self._watch, clock=self._pending.clock)
        if not p.lockstep:
            self.create_timer(p.heartbeat_period_s, self._beat)

    # --- observations --------------------------------------------------------------------------

    def _on_image(self, camera: str, message: CompressedImage) -> None:
        now_s = None
        if not self._settings.lockstep:
            now_s = self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS
        stamp_s = ros_messages.from_time(message.header.stamp)
        self._jumps.see(camera, stamp_s)
        self._see(self._assembler.add_image(camera, stamp_s, bytes(message.data), now_s))

    def _beat(self) -> None:
        """Says that this node is alive, on the clock that the arm's motions go by."""
        stamp = self.get_clock().now().to_msg()
        self._heartbeats.publish(Header(stamp=stamp, frame_id=self.get_name()))

    def _on_tool_state(self, message: ToolState) -> None:
        if self._settings.lockstep:  # the tick is the time of now
            self._heartbeats.publish(Header(stamp=message.header.stamp, frame_id=self.get_name()))
        tool = ros_messages.to_observation(message, {})
        self._jumps.see("tool_state", tool.stamp_s)
        self._see(self._assembler.add_tool(tool))

    def _begin_anew(self, now_s: float) -> None:
        """Time went back: a running episode is void, and waits for an observation of the new time.

        One that has ended is the recorder's to judge; a robot that waits already goes on waiting.
        """
        self._assembler.begin_anew(now_s)
        self._arm.begin_anew(now_s)
        if self._observation is not None and is_ahead(self._observation.stamp_s, now_s):
            self._observation = None
        if self._life is not None and not isinstance(self._pending.request, (End, Recover)):
            self._throw(CellFault(Fault.INTERRUPTED, "time went back"))

    def _see(self, observation: Observation | None) -> None:
        """Takes the next tick's observation."""
        if observation is None:
            return
        self._observation = observation
        if self._life is not None:
            if not self._canceled():
                self._act_or_answer()
        elif self._settings.lockstep and self._idles():
            self._hold()

    def _idles(self) -> bool:
        """True where nobody else will answer this tick."""
        waits_for_start = self._settings.autostart and not self._autostarted
        return not waits_for_start and not self._bin.under_way

    def _on_bin_level(self) -> None:
        """Whoever asked for it, bin_reset_node answered the ticks until here."""
        if self._life is not None:
            self._act_or_answer()
        elif self._settings.lockstep and self._idles():
            self._hold()

    def _hold(self) -> None:
        if self._observation is not None and self._arm.is_free(self._observation.stamp_s):
            self._arm.command(HOLD, self._observation.stamp_s)

    def _act_or_answer(self) -> None:
        """At an observation or an answer of arm_node: whatever comes second goes on."""
        request, observation = self._pending.request, self._observation
        if observation is None or self._bin.under_way:
            return  # the arm stays clear of the tipping bin until that is level again
        if isinstance(request, Act):
            if not self._arm.awaits:
                self._command(request)
                return
            sent = self._arm.answer(observation.stamp_s)
            if sent is not None:
                self._send((sent, observation))
        elif isinstance(request, AskTask) and not self._pending.has_deadline:
            self._ask_for_task(request)
        elif isinstance(request, (Look, Recover)) or request is _RESET_DONE:
            if self._arm.is_free(observation.stamp_s):
                self._send(None if isinstance(request, Recover) else observation)

    def _on_braked(self, sent: SentAction) -> None:
        """The arm broke a motion off: whatever it was part of is void, at once."""
        if isinstance(self._pending.request, Act):
            self._throw(CellFault(FAULT_OF_ARM.get(sent.error, Fault.ARM), sent.error_msg))

    def _command(self, request: Act) -> None:
        stamp_s = self._observation.stamp_s
        if self._arm.is_free(stamp_s):
            self._arm.command(request.action, stamp_s, request.episode_id, request.step_index)

    # --- the generator -------------------------------------------------------------------------

    def _start(self, life: Generator, on_end) -> None:
        self._life, self._on_end = life, on_end
        self._arm.forget()  # a hold from before
        self._go_on(lambda: next(life))

    def _send(self, answer) -> None:
        life = self._life
        self._go_on(lambda: life.send(answer))

    def _throw(self, fault: CellFault) -> None:
        self.get_logger().warning(f"{fault}")
        life = self._life
        self._arm.forget()
        self._bin.cancel()
        self._go_on(lambda: life.throw(fault))

    def _go_on(self, step) -> None:
        """Lets the generator go on, and carries out what it asks, until an answer must come."""
        life = self._life
        while True:
            self._pending.clear()
            try:
                request = step()
            except StopIteration as stop:
                self._life = None
                self._on_end(stop.value)
                return
            if not self._carry_out(request):
                return
            step = lambda: life.send(None)  # noqa: E731

    def _carry_out(self, request) -> bool:
        """Begins to carry out a request; True where its answer is None, at once."""
        p = self._settings
        self._server.feedback(request)
        if isinstance(request, RecordStep):
            return True
        pending = self._pending
        pending.request = request
        if isinstance(request, Begin):
            self._assembler.take_counts()
            self._begins.publish(ros_messages.to_episode_begin(request.begin))
            if request.goal is not None:
                stamp_s = request.begin.stamp_s
                images = ros_messages.to_goal_images(request.goal, stamp_s, self._robot)
                for camera, image in images.items():
                    self._goal_images[camera].publish(image)
            return True
        if isinstance(request, (Act, Look)):
            pending.until(p.observation_timeout_s, Fault.STALE_OBSERVATION)
            self._act_or_answer()
        elif isinstance(request, Recover):
            if request.fault == Fault.STALE_OBSERVATION:
                self._observation = None  # the next one
            else:
                self._act_or_answer()
        elif isinstance(request, End):
            self._end(request)
        elif isinstance(request, ResetBin):
            pending.until(p.reset_timeout_s, Fault.ARM)
            on_done = pending.if_still(self._on_bin_reset)
            self._bin.reset(request.seed, on_done, pending.if_still(self._throw))
        elif isinstance(request, AskTask):
            self._ask_for_task(request)
        else:
            self._ask(request)
        return False

    def _ask_for_task(self, request: AskTask) -> None:
        """Now, or at the first observation of a time that began anew."""
        if self._observation is not None:
            stamp_s = self._observation.stamp_s
            self._ask(replace(request, request=replace(request.request, stamp_s=stamp_s)))

    def _ask(self, request) -> None:
        pending, p = self._pending, self._settings
        pending.until(p.answer_timeout_s, FAULT_OF.get(type(request), Fault.INTERRUPTED))
        on_answer, on_fault = pending.if_still(self._on_answer), pending.if_still(self._throw)
        if self._shared.ask(request, on_answer, on_fault):
            pending.again_after(p.ask_again_s)
        else:
            self._send([])

    def _on_answer(self, answer) -> None:
        if isinstance(answer, PolicyAnswer):
            self._server.q_value = answer.q_value
        self._send(answer)

    def _end(self, request: End) -> None:
        counts = self._assembler.take_counts()
        end = replace(request.end, dropped_frames=counts.dropped, late_frames=counts.late)
        self._ends.publish(ros_messages.to_episode_end(end, robot=self._robot))
        if not self._settings.require_recorder:
            self._send(True)
        else:
            self._pending.until(self._settings.recorder_timeout_s, Fault.RECORDER)

    def _on_recorded(self, message: EpisodeRecorded) -> None:
        request = self._pending.request
        if isinstance(request, End) and request.end.episode_id == message.episode_id:
            if not message.recorded:
                self.get_logger().error(f"episode refused by the recorder: {message.error_msg}")
            self._send(message.recorded)

    def _on_bin_reset(self, _: None) -> None:
        self._pending.request = _RESET_DONE  # the answer is the observation of the tick after
        self._act_or_answer()

    # --- start, watch, stop --------------------------------------------------------------------

    def _watch(self) -> None:
        """On wall time: starts when all is there, ends waits that take too long."""
        if self._life is None and self._settings.autostart and not self._autostarted:
            missing = self.missing()
            self._ready_checks = 0 if missing else self._ready_checks + 1
            if missing:
                self._complain(f"waits for {', '.join(missing)}")
            elif self._ready_checks >= _READY_CHECKS:
                self._autostarted = True
                self._start(run_robot(self._config, self._tasks), self._on_finished)
        if self._life is not None:
            self._canceled()
        pending = self._pending
        what = type(pending.request).__name__
        if pending.is_due_again():
            self.get_logger().info(f"asks again: {what}")
            self._shared.ask_again()
        if not pending.is_late():
            return
        if isinstance(pending.request, End):
            self.get_logger().error("the recorder does not answer: the episode is void")
            self._send(False)
        else:
            self._throw(CellFault(pending.fault, f"no answer to {what} in time"))

    def _canceled(self) -> bool:
        """Ends the episode whose client wants it to end; one that has ended is the recorder's."""
        if isinstance(self._pending.request, End) or not self._server.cancel_requested():
            return False
        self._throw(CellFault(Fault.INTERRUPTED, "canceled"))
        return True

    def missing(self) -> list[str]:
        """What a robot's life needs and is not there yet."""
        missing = self._shared.missing()
        if not self._bin.is_there():
            missing.append("reset_bin")
        if self._observation is None:
            missing.append("an observation")
        cameras = self._settings.camera_names
        required = self._settings.require_recorder
        return missing + missing_endpoints(self, cameras, require_recorder=required)

    def _complain(self, text: str) -> None:
        if text != self._complained:
            self._complained = text
            self.get_logger().info(text)

    def _on_finished(self, _: None) -> None:
        self.finished = True
        self.get_logger().info("the scheduler has no more tasks")
        if self._settings.lockstep:
            self._hold()

    def _start_single(self, single: SingleEpisode, on_end) -> bool:
        """Starts an episode on request; False where one is running."""
        if self._life is not None:
            return False
        config = self._config
        if single.goal is not None:
            config = replace(config, max_steps=self._settings.goal_max_steps)

        def ended(outcome: Outcome | None) -> None:
            on_end(outcome)
            if self._settings.lockstep:
                self._hold()

        self._start(run_single(config, self._tasks, single), ended)
        return True

    def destroy_node(self) -> None:
        """Ends a running episode as interrupted, so that its bag says so."""
        if self._life is not None:
            self._settings = replace(self._settings, require_recorder=False)
            life, self._life = self._life, None
            try:
                request = life.throw(CellFault(Fault.INTERRUPTED, "the node was stopped"))
                if isinstance(request, End):
                    self._ends.publish(ros_messages.to_episode_end(request.end, robot=self._robot))
            except StopIteration:
                pass
            life.close()
        self._server.destroy()
        self._bin.destroy()
        super().destroy_node()


_RESET_DONE = object()
_READY_CHECKS = 5
"""All must be there for so long (tenths of a second): others may still be finding this node."""


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [EpisodeNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
