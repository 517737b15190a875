"""A scene's truth as a ROS message."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import Header

from mtopt_msgs.msg import SceneTruth as SceneTruthMessage
from mtopt_sim.truth import SceneTruth


def to_scene_truth(truth: SceneTruth, stamp: Time, frame_id: str) -> SceneTruthMessage:
    """The part of a scene's truth that is published, in the bin's frame."""
    poses = [
        Pose(
            position=Point(x=float(x), y=float(y), z=float(z)),
            orientation=Quaternion(x=float(qx), y=float(qy), z=float(qz), w=float(qw)),
        )
        for (x, y, z), (qw, qx, qy, qz) in zip(truth.position_bin_m, truth.quat_bin_wxyz)
    ]
    return SceneTruthMessage(
        header=Header(stamp=stamp, frame_id=frame_id),
        object_names=list(truth.names),
        poses=poses,
        held=truth.held.tolist(),
        hinge_angle_rad=truth.hinge_angle_rad,
    )
