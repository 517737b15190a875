"""The cell's simulator as a ROS node: stations behind the topics that real robots have."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock as SteadyClock
from rclpy.clock import ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Float64, Header
from trajectory_msgs.msg import JointTrajectory

from mtopt_msgs.msg import SceneTruth
from mtopt_msgs.srv import LabelSuccess, NewScene
from mtopt_sim.cell import (
    CellConfig,
    cell_robots,
    cell_tasks,
    make_station,
    new_scene,
    truth_labels,
)
from mtopt_sim.cell_view import CellVideo, CellView
from mtopt_sim.lockstep import Lockstep
from mtopt_sim.ros_camera_info import to_camera_info
from mtopt_sim.ros_truth import to_scene_truth
from mtopt_sim.station_threads import StationThreads
from mtopt_sim.station_tick import Sensed, look, sense
from mtopt_spec import ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.errors import InputError
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run

SHOW_AGAIN_S = 0.5
"""Wall time after which a silent robot is shown the same observation again."""
STATIONS = QoSProfile(depth=20)


@dataclass(frozen=True)
class SimulatorParameters:
    """Parameters of simulator_node.

    Attributes:
        robots: Stations: the first ones of the world file.
        seed: Of the scenes at the start.
        lockstep: Physics waits for every robot's next trajectory; else it runs free.
        real_time_factor: Free-running: simulated seconds a second.
        wall_time: Free-running: stamps are the wall clock's, as those of real arms' drivers.
        lockstep_timeout_s: Wall time of silence after which a robot is not waited for.
        start_timeout_s: The same before a robot's first trajectory: it is starting.
        discovery_s: Wall time to look for another simulator on this domain.
        readings_per_period: Joint states a control period, the last one at its end.
        pictures_per_period: Of each camera, free-running; a divisor of readings_per_period.
        publish_truth: `/truth/<robot>/scene` at every tick.
        threads: That compute stations; 0: one a core.
        video: MP4 file of the cell to write; empty for none.
        world: World file, absolute or below the installed worlds/; empty: bin_cell.sdf.
        tasks_file: Tasks that are labelled, absolute or below the installed params/.
    """

    robots: int = 7
    seed: int = 0
    lockstep: bool = True
    real_time_factor: float = 1.0
    wall_time: bool = False
    lockstep_timeout_s: float = 10.0
    start_timeout_s: float = 60.0
    discovery_s: float = 1.0
    readings_per_period: int = 5
    pictures_per_period: int = 1
    publish_truth: bool = True
    threads: int = 0
    video: str = ""
    world: str = ""
    tasks_file: str = "tasks.yaml"

    def __post_init__(self):
        for name in ("robots", "real_time_factor", "lockstep_timeout_s", "readings_per_period"):
            if not getattr(self, name) > 0:
                raise InputError(
                    name, where="simulator_node", got=getattr(self, name), expected="above 0"
                )
        pictures, readings = self.pictures_per_period, self.readings_per_period
        if not 0 < pictures <= readings or readings % pictures:
            raise InputError(
                "pictures_per_period", where="simulator_node", got=pictures,
                expected=f"a divisor of readings_per_period, {readings}",
            )  # fmt: skip
        if self.wall_time and (self.lockstep or self.real_time_factor != 1.0):
            raise InputError(
                "wall_time", where="simulator_node",
                got=f"lockstep {self.lockstep}, real_time_factor {self.real_time_factor}",
                expected="lockstep false, real_time_factor 1: the wall clock waits for nobody",
            )  # fmt: skip


class SimulatorNode(Node):
    """Serves every station's topics, in lockstep with the robots or free-running."""

    def __init__(self, *, context=None, parameter_overrides=None):
        super().__init__(
            "simulator_node", context=context, parameter_overrides=parameter_overrides or []
        )
        self._settings = declare(self, SimulatorParameters)
        p = self._settings
        self.failure = ""
        self._threads = StationThreads(p.threads)
        world = installed(p.world, "worlds") if p.world else None
        self._config = config = CellConfig(robots=p.robots, seed=p.seed, world=world)
        self._tasks = cell_tasks(installed(p.tasks_file, "params"))
        self._names = cell_robots(config)
        self._index = {name: i for i, name in enumerate(self._names)}
        self._stations = self._threads.map(
            range(len(self._names)), lambda i: make_station(config, self._names[i])
        )
        self._cameras = self._stations[0].cameras
        self._lockstep = Lockstep(
            self._names, time.monotonic(), p.lockstep_timeout_s, p.start_timeout_s
        )
        self._slice = self._wall_slice() if p.wall_time else 0
        self._tick = self._slice // p.readings_per_period
        self._spent_s = {"physics": 0.0, "render": 0.0, "publish": 0.0, "tick": 0.0}
        self._control_steps = 0
        self._began_s = self._ended_s = time.monotonic()
        self._video: CellVideo | None = None
        self._shown_s: dict[str, float] = {}
        self._make_endpoints()
        steady = SteadyClock(clock_type=ClockType.STEADY_TIME)
        self._start_timer = self.create_timer(p.discovery_s, self._start, clock=steady)
        self._steady = steady

    # --- endpoints ---------------------------------------------------------------------------

    def _make_endpoints(self) -> None:
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        group = MutuallyExclusiveCallbackGroup()
        self._joint_states, self._images, self._infos, self._truth = {}, {}, {}, {}
        for name in self._names:
            self._joint_states[name] = self.create_publisher(
                JointStateMessage, f"/{name}/joint_states", STATIONS
            )
            for camera in self._cameras:
                below = f"/{name}/{CAMERA_NAMESPACES.get(camera, camera)}"
                self._images[name, camera] = self.create_publisher(
                    Image, f"{below}/image_raw", STATIONS
                )
                self._infos[name, camera] = self.create_publisher(
                    CameraInfo, f"{below}/camera_info", STATIONS
                )
            self._truth[name] = self.create_publisher(SceneTruth, f"/truth/{name}/scene", STATIONS)
            self.create_subscription(
                JointTrajectory, f"/{name}/joint_trajectory",
                lambda message, name=name: self._on_trajectory(name, message),
                STATIONS, callback_group=group,
            )  # fmt: skip
            self.create_subscription(
                Float64, f"/{name}/bin/hinge_position_command",
                lambda message, name=name: self._on_hinge(name, message),
                STATIONS, callback_group=group,
            )  # fmt: skip
        self.create_service(LabelSuccess, "/truth/label_success", self._on_label)
        self.create_service(NewScene, "/simulator/new_scene", self._on_new_scene)
        self._tick_guard = self.create_guard_condition(self._on_commands_complete)

    def _start(self) -> None:
        """Ends the wait for another simulator's /clock; begins the simulation if there is none."""
        self._start_timer.cancel()
        others = self.count_publishers("/clock") - 1
        if others > 0:
            self.failure = (
                f"simulator on domain {self.context.get_domain_id()}: got {others} more"
                " publisher(s) of /clock, expected none; stop the other simulator"
                " or set another ROS_DOMAIN_ID"
            )
            self.get_logger().fatal(self.failure)
            return
        for name, sensed in zip(self._names, self._look_at_all(self._names)):
            self._show(name, sensed)
        if self._settings.video:
            view = CellView.for_video(self._config.world)
            self._video = CellVideo(Path(self._settings.video), view)
        self._lockstep.restart(time.monotonic())
        self._publish_clock()
        self.get_logger().info(f"simulating {len(self._names)} stations")
        if self._settings.lockstep:
            self.create_timer(0.1, self._watch, clock=self._steady)
        else:
            slice_s = CONTROL_PERIOD_S / self._settings.readings_per_period
            self.create_timer(
                slice_s / self._settings.real_time_factor, self._free_slice, clock=self._steady
            )
        self.create_timer(1.0, self._publish_diagnostics, clock=self._steady)

    # --- commands ----------------------------------------------------------------------------

    def _on_trajectory(self, name: str, message: JointTrajectory) -> None:
        stamp_s = ros_messages.from_time(message.header.stamp)
        if self._settings.lockstep and self._began():
            answered = round(stamp_s / CONTROL_PERIOD_S)
            tick = answered if stamp_s else self._lockstep.shown(name)
            problem = self._command(name, message, tick)
        else:
            problem = self._take(name, message)
        if problem:
            self.get_logger().error(f"joint_trajectory of {name}: {problem}")

    def _command(self, name: str, message: JointTrajectory, tick: int) -> str:
        """Lockstep: takes a trajectory for this tick; returns what is wrong with it."""
        if not self._lockstep.command(name, tick):
            return f"got one for tick {tick}, expected one, once, for {self._lockstep.shown(name)}"
        self._tick_guard.trigger()  # after a bad one the arm holds and the cell goes on
        return self._take(name, message)

    def _take(self, name: str, message: JointTrajectory) -> str:
        """Hands a trajectory to its station; returns what is wrong with it, '' if nothing."""
        station = self._stations[self._index[name]]
        order = station.joint_names
        try:
            names, positions, velocities, times_s = ros_messages.from_joint_trajectory(message)
            if sorted(names) != sorted(order):
                return f"got joints {list(names)}, expected {list(order)}"
            columns = [names.index(joint) for joint in order]
            station.command_trajectory(
                positions[:, columns],
                None if velocities is None else velocities[:, columns],
                times_s,
            )
        except InputError as error:
            return str(error)
        return ""

    def _on_hinge(self, name: str, message: Float64) -> None:
        try:
            self._stations[self._index[name]].command_hinge(message.data)
        except InputError as error:
            self.get_logger().error(f"hinge_position_command of {name}: {error}")

    # --- time --------------------------------------------------------------------------------

    def _began(self) -> bool:
        return bool(self._shown_s)

    def _on_commands_complete(self) -> None:
        """Lockstep: one control period, if nobody is waited for any more."""
        robots = self._lockstep.ready(time.monotonic())
        if not robots:
            return
        began_s = time.perf_counter()
        self._note_tick()
        self._tick += 1
        sensed = self._threads.map(
            [self._index[name] for name in robots],
            lambda i: sense(
                self._stations[i], self._tick, CONTROL_PERIOD_S,
                self._settings.readings_per_period, self._cameras,
            ),
        )  # fmt: skip
        self._lockstep.advanced(time.monotonic())
        self._control_steps += len(robots)
        self._publish_clock()
        publish_s = time.perf_counter()
        for name, seen in zip(robots, sensed):
            self._show(name, seen)
        now_s = time.perf_counter()
        self._spend(
            physics=sum(s.physics_s for s in sensed), render=sum(s.render_s for s in sensed)
        )
        self._spend(publish=now_s - publish_s, tick=now_s - began_s)
        self._film()

    def _watch(self) -> None:
        """Lockstep, on wall time: who left, who is silent, who must be shown the tick again."""
        for name in self._lockstep.silent():
            gone = self.count_publishers(f"/{name}/joint_trajectory") == 0
            if gone and self._lockstep.leave(name):
                self.get_logger().info(f"{name} has left the cell")
        away = set(self._lockstep.away())
        self._on_commands_complete()
        for name in sorted(set(self._lockstep.away()) - away):
            self.get_logger().warning(
                f"{name} is silent: no longer waited for until it sends its next trajectory"
            )
        old_s = time.monotonic() - SHOW_AGAIN_S
        again = [name for name in self._lockstep.silent() if self._shown_s[name] < old_s]
        for name, sensed in zip(again, self._look_at_all(again)):
            self._show(name, sensed)
        if again:
            self._publish_clock()

    def _free_slice(self) -> None:
        """Free-running: a part of a control period, whatever was commanded.

        One picture a period is taken in its last part, so that it is there at the period's end.
        """
        p = self._settings
        due = self._wall_slice() if p.wall_time else self._slice + 1
        self._slice = next_slice(self._slice, due, p.readings_per_period)
        self._note_tick()
        self._tick, part = divmod(self._slice, p.readings_per_period)
        looks = (part + 1) % (p.readings_per_period // p.pictures_per_period) == 0
        cameras = self._cameras if looks else ()
        began_s = time.perf_counter()
        slice_s = CONTROL_PERIOD_S / p.readings_per_period
        sensed = self._threads.map(
            range(len(self._names)),
            lambda i: sense(self._stations[i], self._slice, slice_s, 1, cameras),
        )
        self._publish_clock()
        for name, seen in zip(self._names, sensed):
            self._show(name, seen)
        if not part:
            self._control_steps += len(self._names)
            self._film()
        self._spend(
            physics=sum(s.physics_s for s in sensed), render=sum(s.render_s for s in sensed)
        )
        self._spend(tick=time.perf_counter() - began_s)

    def _wall_slice(self) -> int:
        """The slice that the wall clock has reached."""
        now_s = self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS
        return int(now_s * self._settings.readings_per_period / CONTROL_PERIOD_S)

    def _note_tick(self) -> None:
        """Keeps the wall time of the first and the latest control step."""
        self._ended_s = time.monotonic()
        if self._control_steps == 0:
            self._began_s = self._ended_s

    def _film(self) -> None:
        """A picture a control period, of all stations."""
        if self._video is not None:
            self._video.add(self._stations)

    def _spend(self, **wall_s: float) -> None:
        for name, value in wall_s.items():
            self._spent_s[name] += value

    # --- what is shown -----------------------------------------------------------------------

    def _look_at_all(self, names) -> list[Sensed]:
        """The present observation of several stations; time does not move."""
        stamp_s = self._now_s()

        def one(i: int) -> Sensed:
            station = self._stations[i]
            return Sensed(stamp_s, (station.joint_state(stamp_s),), look(station, self._cameras))

        return self._threads.map([self._index[name] for name in names], one)

    def _show(self, name: str, sensed: Sensed) -> None:
        """Publishes a station's sensors."""
        self._shown_s[name] = time.monotonic()
        self._lockstep.show(name)
        for state in sensed.joint_states:
            self._joint_states[name].publish(ros_messages.to_joint_state(state))
        stamp = ros_messages.to_time(sensed.stamp_s)
        station = self._stations[self._index[name]]
        if self._settings.publish_truth and sensed.images_hwc_u8:
            self._truth[name].publish(to_scene_truth(station.truth(), stamp, f"{name}/bin"))
        for camera, image_hwc_u8 in sensed.images_hwc_u8.items():
            frame_id = f"{name}/{camera}"
            self._infos[name, camera].publish(
                to_camera_info(
                    station.camera_info(camera), stamp_s=sensed.stamp_s, frame_id=frame_id
                )
            )
            self._images[name, camera].publish(_image_message(image_hwc_u8, stamp, frame_id))

    def _publish_clock(self) -> None:
        self._clock_publisher.publish(Clock(clock=ros_messages.to_time(self._now_s())))

    def _now_s(self) -> float:
        """Simulated time: of the last tick or, free-running, of the last part of a period."""
        p = self._settings
        if p.lockstep:
            return self._tick * CONTROL_PERIOD_S
        return self._slice * (CONTROL_PERIOD_S / p.readings_per_period)

    def _publish_diagnostics(self) -> None:
        """How much was simulated and where the wall time went."""
        values = {
            "control_steps": self._control_steps,
            "ticks": self._tick,
            "wall_s": self._ended_s - self._began_s,
            **{f"{name}_s": value for name, value in self._spent_s.items()},
            "waited_for": " ".join(self._lockstep.waited_for()),
            "away": " ".join(self._lockstep.away()),
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK, name="simulator_node", hardware_id="simulator",
            message="lockstep" if self._settings.lockstep else "free-running",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )  # fmt: skip
        stamp = ros_messages.to_time(self._now_s())
        self._diagnostics.publish(DiagnosticArray(header=Header(stamp=stamp), status=[status]))

    # --- services ----------------------------------------------------------------------------

    def _on_label(self, request: LabelSuccess.Request, response: LabelSuccess.Response):
        try:
            station = self._stations[self._index_of(request.robot, "label_success")]
            goal = ros_messages.from_goal_truth(request.goal)
            labels = truth_labels(station, self._tasks, goal)
            response.labels = [ros_messages.to_label(label) for label in labels]
        except InputError as error:
            self.get_logger().error(str(error))
        return response

    def _index_of(self, robot: str, where: str) -> int:
        if robot not in self._index:
            raise InputError("robot", where=where, got=repr(robot), expected=list(self._names))
        return self._index[robot]

    def _on_new_scene(self, request: NewScene.Request, response: NewScene.Response):
        try:
            index = self._index_of(request.robot, "new_scene")
            self._threads.call(
                index, new_scene, self._stations[index], request.seed, request.objects
            )
            state = self._stations[index].joint_state(self._now_s())
            self._joint_states[request.robot].publish(ros_messages.to_joint_state(state))
            response.done = True
            response.objects = list(self._stations[index].objects)
        except InputError as error:
            response.error_msg = str(error)
            self.get_logger().error(str(error))
        return response

    def destroy_node(self) -> None:
        """Ends the threads too."""
        self._threads.close()
        try:
            if self._video is not None:
                self._video.close()
        finally:
            super().destroy_node()


def next_slice(last: int, due: int, per_period: int) -> int:
    """The slice after the last one, on a clock that has come to `due`.

    Where physics is too slow for the clock its time leaps, as on a robot that stalls. A clock that
    was set back by more than a control period is followed.
    """
    return due if due < last + 1 - per_period else max(last + 1, due)


def _image_message(image_hwc_u8: np.ndarray, stamp: Time, frame_id: str) -> Image:
    height, width, _ = image_hwc_u8.shape
    message = Image(
        header=Header(stamp=stamp, frame_id=frame_id),
        height=height, width=width, encoding="rgb8", step=3 * width,
    )  # fmt: skip
    message.data = image_hwc_u8.tobytes()
    return message


def main() -> int:
    """Runs the simulator until it is stopped; 1 when another one runs on this domain."""
    nodes: list[SimulatorNode] = []

    def make(context: Context) -> list[SimulatorNode]:
        nodes.append(SimulatorNode(context=context))
        return nodes

    def failed() -> bool:
        return any(node.failure for node in nodes)

    return run(make, failed, SingleThreadedExecutor) or int(failed())


if __name__ == "__main__":
    sys.exit(main())
