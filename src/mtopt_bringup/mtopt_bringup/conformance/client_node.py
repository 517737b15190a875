"""A robot's place in a simulated cell, taken by the suite: it hears all that a robot hears."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory

from mtopt_bringup.conformance.backend import Backend
from mtopt_bringup.conformance.check import Nonconformity
from mtopt_bringup.ros_visit import RosVisit
from mtopt_control.arm.trajectory import rest_to_rest
from mtopt_control.camera.frame import from_raw
from mtopt_msgs.msg import SceneTruth
from mtopt_msgs.srv import LabelSuccess, NewScene
from mtopt_spec import ros_messages
from mtopt_spec.action import CONTROL_PERIOD_S
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.episode import JointState
from mtopt_spec.robot import RobotConfig

CAMERAS = ("shoulder", "wrist")
_DEEP = QoSProfile(depth=100)
_KEPT = 400
_KEPT_PICTURES = 60
_PATIENCE_S = 20.0
"""Wall time for an answer, or for the next tick."""


class ClientNode(Node):
    """Keeps what it hears; sends trajectories and hinge angles.

    Attributes:
        heard: Topic without the robot (`joint_states`, `shoulder/image`, `shoulder/info`,
            `clock`, `truth`) to its latest messages.
    """

    def __init__(self, robot: str, *, context: Context):
        super().__init__("conformance_client_node", context=context)
        self.robot = robot
        self.heard: dict[str, deque] = {}
        self._listen("joint_states", JointStateMessage, f"/{robot}/joint_states", _KEPT)
        for camera in CAMERAS:
            below = f"/{robot}/{CAMERA_NAMESPACES[camera]}"
            self._listen(f"{camera}/image", Image, f"{below}/image_raw", _KEPT_PICTURES)
            self._listen(f"{camera}/info", CameraInfo, f"{below}/camera_info", _KEPT)
        self._listen("clock", Clock, "/clock", _KEPT)
        self._listen("truth", SceneTruth, f"/truth/{robot}/scene", _KEPT)
        self.trajectories = self.create_publisher(
            JointTrajectory, f"/{robot}/joint_trajectory", QoSProfile(depth=20)
        )
        self.hinge = self.create_publisher(
            Float64, f"/{robot}/bin/hinge_position_command", QoSProfile(depth=20)
        )
        self.label = self.create_client(LabelSuccess, "/truth/label_success")
        self.new_scene = self.create_client(NewScene, "/simulator/new_scene")

    def _listen(self, key: str, kind: type, topic: str, kept: int) -> None:
        heard = self.heard[key] = deque(maxlen=kept)
        self.create_subscription(kind, topic, lambda message: heard.append(message), _DEEP)


class Client:
    """What the checks work with: a robot of a running backend, moved step by step.

    Args:
        backend: That runs.
        robot: What it simulates.
        world: Its world file.
        domain_id: Its ROS domain.
        failure: Says why its processes have ended; '' while they run.
    """

    def __init__(
        self, backend: Backend, robot: RobotConfig, world: Path, domain_id: int,
        failure: Callable[[], str],
    ):  # fmt: skip
        self._failure = failure
        self.backend, self.config, self.world = backend, robot, world
        self.robot = "robot_1"
        self._visit = RosVisit(lambda context: ClientNode(self.robot, context=context), domain_id)
        self.node = self._visit.node
        self.heard = self.node.heard
        self.joint_names = (*robot.arm_joints, robot.finger_joint)
        self._commanded: np.ndarray | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception) -> None:
        self._visit.__exit__(*exception)

    # --- what it hears -------------------------------------------------------------------------

    def stamps_s(self, key: str) -> list[float]:
        """Of all kept messages of a topic, as they came."""
        messages = self.heard[key]
        if key == "clock":
            return [ros_messages.from_time(m.clock) for m in messages]
        return [ros_messages.from_time(m.header.stamp) for m in messages]

    def joint_state(self) -> JointState:
        """The latest readings."""
        return ros_messages.from_joint_state(self.heard["joint_states"][-1])

    def measured(self) -> np.ndarray:
        """(arm joints + finger,) of the latest readings, in the order of `joint_names`."""
        state = self.joint_state()
        return state.position[[state.names.index(name) for name in self.joint_names]]

    def hinge_rad(self) -> float:
        """Of the latest readings."""
        state = self.joint_state()
        return float(state.position[state.names.index(self.config.hinge_joint)])

    def picture(self, camera: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB of the latest picture."""
        message = self.heard[f"{camera}/image"][-1]
        return from_raw(
            message.data, height=message.height, width=message.width, step=message.step,
            encoding=message.encoding, where=f"picture of {camera}",
        )  # fmt: skip

    def now_s(self) -> float:
        """Stamp of the latest joint state."""
        return self.stamps_s("joint_states")[-1]

    # --- time ----------------------------------------------------------------------------------

    def wait(self, what: str, condition: Callable[[], bool], wall_s: float = _PATIENCE_S) -> None:
        """Takes what comes until a condition holds.

        Raises:
            Nonconformity: It does not hold in time, or the simulator has ended.
        """
        held = self._visit.until(lambda: condition() or bool(self._failure()), wall_s)
        if self._failure():
            raise Nonconformity(f"{what}: {self._failure()}")
        if not held:
            raise Nonconformity(f"{what}: got nothing in {wall_s:.0f} s of wall time")

    def begin(self) -> None:
        """Waits for the first message of every topic, and for the simulator to hear us.

        Raises:
            Nonconformity: A topic stays silent.
        """
        needed = [key for key in self.heard if key != "truth"]

        def there() -> bool:
            heard = all(self.heard[key] for key in needed)
            return heard and self.node.trajectories.get_subscription_count() > 0

        try:
            self.wait("first messages", there, self.backend.start_s)
        except Nonconformity:
            if self._failure():
                raise
            silent = [key for key in needed if not self.heard[key]] or ["nobody hears us"]
            raise Nonconformity(
                f"silent after {self.backend.start_s:.0f} s: {', '.join(silent)}"
            ) from None

    def step(self, goal: np.ndarray | None = None) -> None:
        """One control period: follows a trajectory from rest to rest, or holds.

        Args:
            goal: (arm joints + finger,) at its end; None: as commanded last.
        """
        start = self.measured() if self._commanded is None else self._commanded
        end = start if goal is None else np.asarray(goal, float)
        self._commanded = end
        path = rest_to_rest(self.joint_names, start, end, CONTROL_PERIOD_S)
        message = ros_messages.to_joint_trajectory(
            path.joint_names, path.positions, path.velocities, path.times_s
        )
        began_s = self.now_s()
        if self.backend.lockstep:
            message.header.stamp = ros_messages.to_time(began_s)
        self.node.trajectories.publish(message)
        until_s = began_s + CONTROL_PERIOD_S + self.backend.settle_s - 1e-6
        self.wait("the end of a control period", lambda: self._all_past(until_s))

    def _all_past(self, stamp_s: float) -> bool:
        """Readings of that time have come; where time waits, pictures and truth too."""
        if not self.backend.lockstep:
            return self.now_s() >= stamp_s
        keys = ("joint_states", "truth", "clock", *(f"{camera}/image" for camera in CAMERAS))
        return all(self.heard[key] and self.stamps_s(key)[-1] >= stamp_s for key in keys)

    def hold(self, seconds: float) -> None:
        """Lets simulated time pass."""
        until_s = self.now_s() + seconds - 1e-6
        while self.now_s() < until_s:
            self.step()

    def turn_bin(self, angle_rad: float, seconds: float) -> None:
        """Commands the hinge, then lets time pass."""
        self.node.hinge.publish(Float64(data=angle_rad))
        self.hold(seconds)

    # --- services ------------------------------------------------------------------------------

    def call(self, client, request):
        """A service's answer.

        Raises:
            Nonconformity: There is no such service, or no answer.
        """
        self.wait(f"service {client.srv_name}", client.service_is_ready)
        future = client.call_async(request)
        self.wait(f"answer of {client.srv_name}", future.done)
        return future.result()

    def put_scene(self, seed: int, objects: Sequence[str] = ()) -> NewScene.Response:
        """Asks for a new scene, then lets it come to rest; the arm is where it is put."""
        request = NewScene.Request(robot=self.robot, seed=seed, objects=list(objects))
        answer = self.call(self.node.new_scene, request)
        self.hold(2 * CONTROL_PERIOD_S + self.backend.drop_s)
        self._commanded = None  # the scene may have put the arm to its home
        self.step()
        return answer
