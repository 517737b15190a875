"""A station camera's calibration as a ROS message."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo

from mtopt_sim.station import CameraCalibration
from mtopt_spec.ros_messages import to_header


def to_camera_info(calibration: CameraCalibration, *, stamp_s: float, frame_id: str) -> CameraInfo:
    """An ideal pinhole camera: no distortion."""
    c = calibration
    return CameraInfo(
        header=to_header(stamp_s, frame_id),
        height=c.height_px, width=c.width_px, distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[c.fx, 0.0, c.cx, 0.0, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )  # fmt: skip
