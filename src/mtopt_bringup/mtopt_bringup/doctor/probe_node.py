"""Listens to a robot: joint states, cameras, clock, description. It publishes nothing."""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo as CameraInfoMessage
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from mtopt_bringup.doctor.camera_file import CameraInfo
from mtopt_bringup.doctor.stream_checks import Arrivals
from mtopt_control.camera.frame import from_raw
from mtopt_control.recorder.cdr_fields import stamp_ns
from mtopt_spec import ros_messages
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.robot import DESCRIPTION_TOPIC, RobotConfig
from mtopt_spec.ros_qos import driver_qos

KEPT_PICTURES = 10
DRIVERS_LISTENERS = ("arm_node", "bin_reset_node", "camera_node", "recorder_node")
"""Nodes of the cell that hear what drivers publish."""


class Stream:
    """When the messages of a topic came, and what their stamps said."""

    def __init__(self):
        self._rows: list[tuple[float, float]] = []

    def took(self, stamp_s: float, clock_s: float | None) -> None:
        """Notes a message, if the cell's time is known."""
        if clock_s is not None:
            self._rows.append((stamp_s, clock_s))

    def arrivals(self) -> Arrivals:
        """All of them."""
        return Arrivals(*np.array(self._rows, float).reshape(-1, 2).T)


@dataclass
class HeardCamera:
    """What came of a camera.

    Attributes:
        topic: Of its pictures.
        kind: Of them: a driver's raw ones, or those that camera_node makes, one a tick.
        stream: Of these.
        messages: The newest ones, as they came: big pictures take long to unpack.
        info: The newest calibration of its driver; None before the first.
        refused: Why a picture was none.
        unheard: Which nodes of the cell do not hear its pictures or its calibration, and why.
    """

    topic: str = ""
    kind: type[Image] | type[CompressedImage] = Image
    stream: Stream = field(default_factory=Stream)
    messages: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT_PICTURES))
    info: CameraInfo | None = None
    refused: str = ""
    unheard: list[str] = field(default_factory=list)

    @property
    def by_driver(self) -> bool:
        """The pictures are a driver's raw ones."""
        return self.kind is Image

    def pictures(self) -> list[np.ndarray]:
        """The newest pictures, (h, w, 3) uint8 RGB."""
        found = []
        for data in self.messages:
            message = deserialize_message(data, self.kind)
            try:
                found.append(_picture(message, self.topic))
            except (InputError, ValueError) as error:
                self.refused = str(error)
        return found


def _picture(message: Image | CompressedImage, where: str) -> np.ndarray:
    """(h, w, 3) uint8 RGB."""
    if isinstance(message, CompressedImage):
        return decode_jpeg(bytes(message.data))
    picture = from_raw(
        message.data, height=message.height, width=message.width, step=message.step,
        encoding=message.encoding, where=where,
    )  # fmt: skip
    return np.ascontiguousarray(picture)


class ProbeNode(Node):
    """Takes what a robot publishes.

    Args:
        robot: Its namespace.
        cameras: Names of its cameras.
        context: Of the visit.

    Attributes:
        joints: The stream of joint states.
        names, position: Of the newest one.
        unheard: Which nodes of the cell do not hear joint states, and why.
        cameras: Name to what came of it.
        urdf: From `robot_description`; None before it.
    """

    def __init__(self, robot: str, cameras: Sequence[str], *, context: Context):
        super().__init__("mtopt_doctor", namespace=f"/{robot}", context=context)
        self.joints = Stream()
        self.names: list[str] = []
        self.position: list[float] = []
        self.unheard: list[str] = []
        self.urdf: str | None = None
        self.simulated_s: float | None = None
        any_kind = driver_qos(50)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.joint_topic = self.resolve_topic_name("joint_states")
        self.create_subscription(Clock, "/clock", self._on_clock, any_kind)
        self.create_subscription(JointState, "joint_states", self._on_joints, any_kind)
        self.create_subscription(String, DESCRIPTION_TOPIC, self._on_description, latched)
        self.cameras = {name: HeardCamera() for name in cameras}

    def listen_to_cameras(self) -> None:
        """Subscribes to what each camera's driver publishes: raw pictures, or compressed ones."""
        for name, heard in self.cameras.items():
            raw, compressed = self._topics(name)
            by_driver = self.count_publishers(raw) > 0 or not self.count_publishers(compressed)
            heard.kind, heard.topic = (Image, raw) if by_driver else (CompressedImage, compressed)
            self.create_subscription(
                heard.kind, heard.topic,
                lambda data, info, heard=heard: self._on_image(heard, data, info),
                self._quality(heard.topic), raw=True,
            )  # fmt: skip
            info = self._info_topic(name)
            self.create_subscription(
                CameraInfoMessage, info, lambda m, heard=heard: self._on_info(heard, m),
                self._quality(info),
            )  # fmt: skip

    def _quality(self, topic: str) -> QoSProfile:
        """As reliable as its publishers: of big pictures, best effort loses what a cell gets."""
        kinds = {info.qos_profile.reliability for info in self.get_publishers_info_by_topic(topic)}
        return driver_qos(5, reliable=kinds == {ReliabilityPolicy.RELIABLE})

    def ask_who_hears(self) -> None:
        """Compares what publishers offer with what the cell's nodes ask for."""
        self.unheard = self._unheard(self.joint_topic)
        for name, heard in self.cameras.items():
            heard.unheard = self._unheard(heard.topic) + self._unheard(self._info_topic(name))

    def _unheard(self, topic: str) -> list[str]:
        """Nodes of the cell that do not hear a publisher of the topic, and why, in words."""
        found = []
        for driver in self.get_publishers_info_by_topic(topic):
            for node in self.get_subscriptions_info_by_topic(topic):
                fits, why = qos_check_compatible(driver.qos_profile, node.qos_profile)
                if node.node_name in DRIVERS_LISTENERS and fits == QoSCompatibility.ERROR:
                    found.append(
                        f"{node.node_namespace.rstrip('/')}/{node.node_name} does not hear {topic} "
                        f"({why.strip(' ;')}): set its `reliable: false`, or the driver's QoS"
                    )
        return found

    def missing_controllers(self, robot: RobotConfig) -> list[str]:
        """What the robot's folder names and no controller takes, in words."""
        gripper, found = robot.gripper, []
        topics = [robot.trajectory_topic, *([gripper.topic] * (gripper.command == "position"))]
        for name in topics:
            topic = self.resolve_topic_name(name)
            heard_by = {info.node_name for info in self.get_subscriptions_info_by_topic(topic)}
            if not heard_by - {"recorder_node"}:
                found.append(f"nobody hears {topic}")
        if gripper.command == "action":
            if importlib.util.find_spec("control_msgs") is None:
                found.append("gripper: action needs control_msgs, which is not installed")
            action = self.resolve_topic_name(gripper.topic)
            services = dict(self.get_service_names_and_types())
            if f"{action}/_action/send_goal" not in services:
                found.append(f"no action server answers at {action}")
        return found

    def _info_topic(self, camera: str) -> str:
        """Of a camera's calibration."""
        return self.resolve_topic_name(f"{CAMERA_NAMESPACES.get(camera, camera)}/camera_info")

    def _topics(self, camera: str) -> tuple[str, str]:
        """Of a camera's raw pictures, and of its compressed ones."""
        below = CAMERA_NAMESPACES.get(camera, camera)
        names = (f"{below}/image_raw", f"{below}/image/compressed")
        return tuple(self.resolve_topic_name(name) for name in names)

    def finds_all(self) -> bool:
        """True once a driver publishes raw pictures of every camera."""
        return all(self.count_publishers(self._topics(name)[0]) for name in self.cameras)

    def sees_all(self) -> bool:
        """True once a picture of every camera that somebody publishes has come."""
        cameras = self.cameras.values()
        return all(c.messages or not self.count_publishers(c.topic) for c in cameras)

    def begin(self) -> None:
        """Judges streams from now on."""
        self.joints = Stream()
        for heard in self.cameras.values():
            heard.stream = Stream()

    def clock_s(self, info: dict) -> float | None:
        """The cell's time when a message came: of `/clock` where somebody publishes it, else wall.

        Args:
            info: Of the message, from the middleware, which notes the wall time by itself.
        """
        if self.simulated_s is None and not self.count_publishers("/clock"):
            return info["received_timestamp"] / ros_messages.NANOSECONDS
        return self.simulated_s

    def _on_clock(self, message: Clock) -> None:
        self.simulated_s = ros_messages.from_time(message.clock)

    def _on_joints(self, message: JointState, info: dict) -> None:
        stamp_s = ros_messages.from_time(message.header.stamp)
        self.joints.took(stamp_s, self.clock_s(info))
        self.names, self.position = list(message.name), list(message.position)

    def _on_description(self, message: String) -> None:
        self.urdf = message.data

    def _on_image(self, heard: HeardCamera, data: bytes, info: dict) -> None:
        heard.stream.took(stamp_ns(data) / ros_messages.NANOSECONDS, self.clock_s(info))
        heard.messages.append(data)

    def _on_info(self, heard: HeardCamera, message: CameraInfoMessage) -> None:
        if message.k[0] > 0:
            heard.info = CameraInfo(
                message.header.frame_id, message.width, message.height,
                np.array(message.k, float).reshape(3, 3), np.array(message.d, float),
            )  # fmt: skip
