"""A camera as a node: pictures in from a topic, a device or a video, JPEG out at one size."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mtopt_control.camera.frame import Frame, from_raw, to_size
from mtopt_control.camera.source import DeviceSource, PushedSource, Source, VideoSource
from mtopt_control.camera.stream_monitor import StreamMonitor
from mtopt_control.ticks import tick_of
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.ros_parameters import declare, robot_of
from mtopt_spec.ros_qos import driver_qos
from mtopt_spec.ros_run import run

SOURCES = ("topic", "device", "video")


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of camera_node.

    Attributes:
        height_px, width_px: Of the pictures that are published: the observation's. Required.
        source: `topic` (image_raw), `device` or `video`.
        device: V4L2 device: /dev/video0.
        video: Video file.
        reliable: False for drivers that publish best effort. Reliable loses nothing of big pictures
            on a busy machine, but hears reliable drivers alone.
        rate_hz: Pictures a second from a video; of a device, how often it is asked for a new one.
        frame_id: Of a device's or video's pictures; empty: `<robot>/<camera's namespace>`.
        tick_period_s: Only the first picture of each tick is published, with the tick's stamp, so
            that cameras that are not synchronised make one observation; 0: every picture, with
            its own stamp.
        max_age_s: Wall time without a picture from which /diagnostics says stale.
        diagnostics_period_s: Wall time between two reports.
        adapt_camera_info: Publish `image/camera_info`: `camera_info` at the published size.
    """

    height_px: int
    width_px: int
    source: str = "topic"
    device: str = "/dev/video0"
    video: str = ""
    reliable: bool = True
    rate_hz: float = 5.0
    frame_id: str = ""
    tick_period_s: float = 0.0
    max_age_s: float = 1.0
    diagnostics_period_s: float = 1.0
    adapt_camera_info: bool = False


class CameraNode(Node):
    """Publishes a camera's pictures as an observation holds them."""

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "camera_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self._settings = p = declare(self, CameraParameters)
        for name in ("height_px", "width_px", "rate_hz", "max_age_s", "diagnostics_period_s"):
            if not getattr(p, name) > 0:
                raise InputError(name, where="camera_node", got=getattr(p, name), expected="> 0")
        self._where = self.get_namespace().strip("/")
        self._frame_id = p.frame_id or self._where
        robot_of(self)
        self._source = self._make_source()
        self._tick_s: float | None = None
        self._monitor = StreamMonitor(p.max_age_s)
        self._images = self.create_publisher(
            CompressedImage, "image/compressed", QoSProfile(depth=20)
        )
        self._seen = self.create_publisher(Header, "image/seen", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(p.diagnostics_period_s, self._publish_diagnostics, clock=steady)
        if p.source == "topic":
            pictures = driver_qos(20, reliable=p.reliable)
            self.create_subscription(Image, "image_raw", self._on_image, pictures)
        else:
            self.create_timer(1.0 / p.rate_hz, self._on_timer, clock=steady)
        if p.adapt_camera_info:
            self._infos = self.create_publisher(CameraInfo, "image/camera_info", 10)
            self.create_subscription(
                CameraInfo, "camera_info", self._on_camera_info, driver_qos(10)
            )

    def _make_source(self) -> Source:
        p = self._settings
        if p.source == "device":
            return DeviceSource(p.device, self._now_s)
        if p.source == "video":
            return VideoSource(p.video)
        if p.source != "topic":
            raise InputError("source", where="camera_node", got=p.source, expected=SOURCES)
        return PushedSource()

    def _on_image(self, message: Image) -> None:
        try:
            image = from_raw(
                message.data,
                height=message.height,
                width=message.width,
                step=message.step,
                encoding=message.encoding,
                where=f"{self._where}/image_raw",
            )
        except InputError as error:
            self._refuse(error)
            return
        stamp_s = ros_messages.from_time(message.header.stamp)
        self._source.push(Frame(image, stamp_s, message.header.frame_id))
        self._forward()

    def _now_s(self) -> float:
        return self.get_clock().now().nanoseconds / ros_messages.NANOSECONDS

    def _on_timer(self) -> None:
        self._forward()

    def _forward(self) -> None:
        """Publishes the source's next picture, if there is one."""
        frame = self._source.grab()
        if frame is None:
            return
        p = self._settings
        try:
            image = to_size(frame.image_hwc_u8, p.height_px, p.width_px, where=self._where)
        except InputError as error:
            self._refuse(error)
            return
        stamp_s = self._now_s() if frame.stamp_s is None else frame.stamp_s
        frame_id = frame.frame_id or self._frame_id
        self._seen.publish(ros_messages.to_header(stamp_s, frame_id))
        if p.tick_period_s > 0.0:
            tick_s = tick_of(stamp_s, p.tick_period_s)
            if tick_s == self._tick_s:
                self._monitor.arrived(time.monotonic())
                return
            self._tick_s = stamp_s = tick_s
        self._images.publish(
            ros_messages.to_compressed_image(encode_jpeg(image), stamp_s=stamp_s, frame_id=frame_id)
        )
        self._monitor.arrived(time.monotonic())

    def _refuse(self, error: InputError) -> None:
        if not self._monitor.state(time.monotonic()).problem:
            self.get_logger().error(f"not published: {error}")
        self._monitor.arrived(time.monotonic(), str(error))

    def _on_camera_info(self, message: CameraInfo) -> None:
        """The calibration at the published size; the centre of the first pixel stays 0, 0."""
        p = self._settings
        if not message.width or not message.height:
            return
        x, y = p.width_px / message.width, p.height_px / message.height
        scaled = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        message.k = (scaled @ message.k.reshape(3, 3)).ravel()
        message.p = (scaled @ message.p.reshape(3, 4)).ravel()
        message.width, message.height = p.width_px, p.height_px
        self._infos.publish(message)

    def _publish_diagnostics(self) -> None:
        state = self._monitor.state(time.monotonic())
        level, text = DiagnosticStatus.OK, "pictures come"
        if state.stale:
            level, text = DiagnosticStatus.STALE, f"no picture for {state.age_s:.1f} s"
        if state.problem:
            level, text = DiagnosticStatus.ERROR, state.problem
        values = {
            "rate_hz": f"{state.rate_hz:.2f}",
            "age_s": f"{state.age_s:.3f}",
            "arrivals": str(state.arrivals),
            "refused": str(state.refused),
        }
        message = DiagnosticArray(
            status=[
                DiagnosticStatus(
                    level=level,
                    name=self.get_fully_qualified_name().strip("/"),
                    message=text,
                    hardware_id=self._frame_id,
                    values=[KeyValue(key=key, value=value) for key, value in values.items()],
                )
            ]
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def destroy_node(self) -> None:
        """Gives up the device too."""
        self._source.close()
        super().destroy_node()


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [CameraNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
