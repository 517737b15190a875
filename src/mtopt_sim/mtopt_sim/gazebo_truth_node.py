"""What simulator_node tells of its scenes, told of Gazebo's: truth, labels, new scenes."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import JointState

from mtopt_msgs.msg import SceneTruth
from mtopt_msgs.srv import LabelSuccess, NewScene
from mtopt_sim import gazebo_topics
from mtopt_sim.cell import cell_tasks, truth_labels
from mtopt_sim.mirrored_station import MirroredStation, Placed
from mtopt_sim.ros_truth import to_scene_truth
from mtopt_sim.world_file import world_name
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.ros_parameters import declare, installed
from mtopt_spec.ros_run import run
from mtopt_spec.ros_time_jump import TimeJumps


@dataclass(frozen=True)
class GazeboTruthParameters:
    """Parameters of gazebo_truth_node.

    Attributes:
        robots: Of the world.
        robot_file: The robots' file, absolute or below the installed params/.
        world: World file, absolute or below the installed worlds/.
        tasks_file: Tasks that are labelled, absolute or below the installed params/.
        publish_period_s: Of the truth.
        grip_margin_m: A pad this near to an object touches it.
        set_pose_timeout_s: Wall time to wait for Gazebo to put an object somewhere.
    """

    robots: tuple[str, ...] = ("robot_1",)
    robot_file: str = "robots/iiwa14/robot.yaml"
    world: str = "one_station.sdf"
    tasks_file: str = "tasks.yaml"
    publish_period_s: float = 0.2
    grip_margin_m: float = 0.0015
    set_pose_timeout_s: float = 5.0


@dataclass
class Heard:
    """What Gazebo has told of one station so far."""

    joints: dict[str, float] = field(default_factory=dict)
    stamp_s: float = 0.0
    objects: dict[str, Placed] = field(default_factory=dict)
    seen_s: dict[str, float] = field(default_factory=dict)


def set_entity_pose_type():
    """The service type by which ros_gz sets poses; its package comes with Gazebo alone.

    Raises:
        InputError: This machine has no ros_gz.
    """
    try:
        from ros_gz_interfaces.srv import SetEntityPose
    except ImportError:
        raise InputError(
            "ros_gz_interfaces", where="gazebo_truth_node", got="not installed",
            expected="the package of ros_gz", todo="install ros-jazzy-ros-gz",
        ) from None  # fmt: skip
    return SetEntityPose


class GazeboTruthNode(Node):
    """Serves the truth of every station that Gazebo simulates."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "gazebo_truth_node", context=context, parameter_overrides=parameter_overrides or [],
            **options,
        )  # fmt: skip
        self._settings = p = declare(self, GazeboTruthParameters)
        world = installed(p.world, "worlds")
        self._tasks = cell_tasks(installed(p.tasks_file, "params"))
        self._stations = {
            robot: MirroredStation(
                world, robot, grip_margin_m=p.grip_margin_m,
                robot_file=installed(p.robot_file, "params"),
            )
            for robot in p.robots
        }  # fmt: skip
        self._begin_anew()
        self._jumps = TimeJumps(self, self._begin_anew)
        self._truth = {}
        for robot, station in self._stations.items():
            self._truth[robot] = self.create_publisher(
                SceneTruth, f"/truth/{robot}/scene", QoSProfile(depth=20)
            )
            for topic in (
                gazebo_topics.arm_joint_states(robot),
                gazebo_topics.hinge_joint_states(robot),
            ):
                on_joints = functools.partial(self._on_joints, robot)
                self.create_subscription(JointState, topic, on_joints, 1)
            for name in station.object_names:
                on_pose = functools.partial(self._on_pose, robot, name)
                self.create_subscription(
                    PoseStamped, gazebo_topics.object_pose(robot, name), on_pose, 1
                )
        self._set_pose = None
        self._set_pose_name = f"/world/{world_name(world)}/set_pose"
        group = ReentrantCallbackGroup()  # a new scene waits for Gazebo's answers
        self.create_service(LabelSuccess, "/truth/label_success", self._on_label)
        self.create_service(
            NewScene, "/simulator/new_scene", self._on_new_scene, callback_group=group
        )
        self._group = group
        self.create_timer(p.publish_period_s, self._publish)

    # --- what Gazebo tells -------------------------------------------------------------------

    def _begin_anew(self, now_s: float = 0.0) -> None:
        """At the start, and when time went back: nothing has been heard of this world yet."""
        self._heard = {robot: Heard() for robot in self._settings.robots}

    def _on_joints(self, robot: str, message: JointState) -> None:
        stamp_s = ros_messages.from_time(message.header.stamp)
        self._jumps.see(f"{robot}/{message.name[:1]}", stamp_s)  # arm or hinge
        heard = self._heard[robot]
        heard.joints.update(zip(message.name, message.position))
        heard.stamp_s = max(heard.stamp_s, stamp_s)

    def _on_pose(self, robot: str, name: str, message: PoseStamped) -> None:
        heard, stamp_s = self._heard[robot], ros_messages.from_time(message.header.stamp)
        at, turn = message.pose.position, message.pose.orientation
        position = np.array([at.x, at.y, at.z])
        velocity, before = np.zeros(3), heard.objects.get(name)
        if before is not None:
            passed_s = stamp_s - heard.seen_s[name]
            if passed_s > 0.0:
                velocity = (position - before.position_m) / passed_s
        heard.seen_s[name] = stamp_s
        quat = np.array([turn.w, turn.x, turn.y, turn.z])
        heard.objects[name] = Placed(position, quat, velocity)

    # --- what is told of it ------------------------------------------------------------------

    def _station(self, robot: str, where: str) -> MirroredStation:
        """A robot's station in the state that was heard last."""
        if robot not in self._stations:
            raise InputError("robot", where=where, got=repr(robot), expected=list(self._stations))
        heard = self._heard[robot]
        self._stations[robot].mirror(heard.joints, heard.objects)
        return self._stations[robot]

    def _publish(self) -> None:
        for robot, publisher in self._truth.items():
            try:
                truth = self._station(robot, "scene").truth()
            except InputError as error:  # at the start, before everything was heard once
                self.get_logger().warning(str(error), throttle_duration_sec=10.0)
                continue
            stamp = ros_messages.to_time(self._heard[robot].stamp_s)
            publisher.publish(to_scene_truth(truth, stamp, f"{robot}/bin"))

    def _on_label(self, request: LabelSuccess.Request, response: LabelSuccess.Response):
        try:
            station = self._station(request.robot, "label_success")
            goal = ros_messages.from_goal_truth(request.goal)
            labels = truth_labels(station, self._tasks, goal)
            response.labels = [ros_messages.to_label(label) for label in labels]
        except InputError as error:
            self.get_logger().error(str(error))
        return response

    async def _on_new_scene(self, request: NewScene.Request, response: NewScene.Response):
        try:
            station = self._station(request.robot, "new_scene")
            for name, pose in station.scene_poses(request.seed, request.objects).items():
                await self._put(f"{request.robot}_{name}", pose)
                if np.linalg.norm(pose[:2] - station.bin_position_m[:2]) < 1.0:
                    response.objects = [*response.objects, name]
            response.done = True
        except InputError as error:
            response.objects = []
            response.error_msg = str(error)
            self.get_logger().error(str(error))
        return response

    async def _put(self, model: str, pose: np.ndarray) -> None:
        """Puts a model somewhere in Gazebo's world."""
        kind = set_entity_pose_type()
        if self._set_pose is None:
            self._set_pose = self.create_client(
                kind, self._set_pose_name, callback_group=self._group
            )
        if not self._set_pose.service_is_ready():
            raise InputError(
                "set_pose", where=self._set_pose_name, got="no service",
                expected="ros_gz_bridge with SetEntityPose",
            )  # fmt: skip
        request = kind.Request()
        request.entity.name, request.entity.type = model, request.entity.MODEL
        x, y, z, qw, qx, qy, qz = map(float, pose)
        request.pose = Pose(
            position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        )
        answer = self._set_pose.call_async(request)
        late = self._give_up(answer)
        result = await answer
        self.destroy_timer(late)
        if result is None or not result.success:
            raise InputError(
                "set_pose", where=model, got="no success", expected="the model at its new pose"
            )

    def _give_up(self, answer: Future):
        """A timer that answers in Gazebo's place, with nothing, when it does not."""

        def late() -> None:
            if not answer.done():
                answer.set_result(None)

        return self.create_timer(
            self._settings.set_pose_timeout_s, late, clock=Clock(clock_type=ClockType.STEADY_TIME),
            callback_group=self._group,
        )  # fmt: skip


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [GazeboTruthNode(context=context)], executor=SingleThreadedExecutor)


if __name__ == "__main__":
    sys.exit(main())
