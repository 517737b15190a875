"""Listens to a robot: joint states, cameras, clock, description. It publishes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo as CameraInfoMessage
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from mtopt_bringup.doctor.camera_file import CameraInfo
from mtopt_bringup.doctor.stream_checks import Arrivals
from mtopt_control.camera.frame import from_raw
from mtopt_spec import ros_messages
from mtopt_spec.bag_topics import CAMERA_NAMESPACES
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.robot import DESCRIPTION_TOPIC

KEPT_PICTURES = 10


class Stream:
    """When the messages of a topic came, and what their stamps said."""

    def __init__(self):
        self._rows: list[tuple[float, float]] = []

    def took(self, stamp, clock_s: float | None) -> None:
        """Notes a message, if the cell's time is known."""
        if clock_s is not None:
            self._rows.append((ros_messages.from_time(stamp), clock_s))

    def arrivals(self) -> Arrivals:
        """All of them."""
        return Arrivals(*np.array(self._rows, float).reshape(-1, 2).T)


@dataclass
class HeardCamera:
    """What came of a camera.

    Attributes:
        topic: Of its pictures.
        stream: Of these.
        pictures: The newest ones, RGB.
        info: The newest calibration of its driver; None before the first.
        refused: Why a picture was none.
    """

    topic: str = ""
    stream: Stream = field(default_factory=Stream)
    pictures: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=KEPT_PICTURES))
    info: CameraInfo | None = None
    refused: str = ""


class ProbeNode(Node):
    """Takes what a robot publishes.

    Args:
        robot: Its namespace.
        cameras: Names of its cameras.
        context: Of the visit.

    Attributes:
        joints: The stream of joint states.
        names, position: Of the newest one.
        cameras: Name to what came of it.
        urdf: From `robot_description`; None before it.
    """

    def __init__(self, robot: str, cameras: Sequence[str], *, context: Context):
        super().__init__("mtopt_doctor", namespace=f"/{robot}", context=context)
        self.joints = Stream()
        self.names: list[str] = []
        self.position: list[float] = []
        self.urdf: str | None = None
        self.simulated_s: float | None = None
        # best effort hears publishers of either kind
        any_kind = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._quality = any_kind
        self.joint_topic = self.resolve_topic_name("joint_states")
        self.create_subscription(Clock, "/clock", self._on_clock, any_kind)
        self.create_subscription(JointState, "joint_states", self._on_joints, any_kind)
        self.create_subscription(String, DESCRIPTION_TOPIC, self._on_description, latched)
        self.cameras = {name: HeardCamera() for name in cameras}

    def begin(self) -> None:
        """Takes streams anew: that of the joints, and each camera's raw or compressed pictures."""
        self.joints = Stream()
        for name, heard in self.cameras.items():
            below = CAMERA_NAMESPACES.get(name, name)
            raw = self.resolve_topic_name(f"{below}/image_raw")
            compressed = self.resolve_topic_name(f"{below}/image/compressed")
            by_driver = self.count_publishers(raw) > 0 or not self.count_publishers(compressed)
            kind, heard.topic = (Image, raw) if by_driver else (CompressedImage, compressed)
            self.create_subscription(
                kind, heard.topic, lambda m, heard=heard: self._on_image(heard, m), self._quality
            )
            self.create_subscription(
                CameraInfoMessage, f"{below}/camera_info",
                lambda m, heard=heard: self._on_info(heard, m), self._quality,
            )  # fmt: skip

    def clock_s(self) -> float | None:
        """The cell's time: that of `/clock` where somebody publishes it, else wall time."""
        if self.simulated_s is None and not self.count_publishers("/clock"):
            return time.time()
        return self.simulated_s

    def _on_clock(self, message: Clock) -> None:
        self.simulated_s = ros_messages.from_time(message.clock)

    def _on_joints(self, message: JointState) -> None:
        self.joints.took(message.header.stamp, self.clock_s())
        self.names, self.position = list(message.name), list(message.position)

    def _on_description(self, message: String) -> None:
        self.urdf = message.data

    def _on_image(self, heard: HeardCamera, message: Image | CompressedImage) -> None:
        heard.stream.took(message.header.stamp, self.clock_s())
        try:
            if isinstance(message, CompressedImage):
                heard.pictures.append(decode_jpeg(bytes(message.data)))
            else:
                picture = from_raw(
                    message.data, height=message.height, width=message.width, step=message.step,
                    encoding=message.encoding, where=heard.topic,
                )  # fmt: skip
                heard.pictures.append(np.ascontiguousarray(picture))
        except (InputError, ValueError) as error:
            heard.refused = str(error)

    def _on_info(self, heard: HeardCamera, message: CameraInfoMessage) -> None:
        if message.k[0] > 0:
            heard.info = CameraInfo(
                message.header.frame_id, message.width, message.height,
                np.array(message.k, float).reshape(3, 3), np.array(message.d, float),
            )  # fmt: skip
