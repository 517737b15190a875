"""Topics and services by name, type and quality of service."""

from __future__ import annotations

from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible

from mtopt_bringup.conformance.check import expect
from mtopt_bringup.conformance.client_node import CAMERAS, Client
from mtopt_spec.bag_topics import CAMERA_NAMESPACES

_CELL = QoSProfile(depth=20)
"""How the cell's nodes listen and speak."""
_CLOCK = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""How rclpy listens to /clock."""


def check_topics(client: Client) -> str:
    """Every topic that a robot hears or says has its other side, of its type, that fits."""
    told = {
        f"/{client.robot}/joint_states": ("sensor_msgs/msg/JointState", _CELL),
        "/clock": ("rosgraph_msgs/msg/Clock", _CLOCK),
        f"/truth/{client.robot}/scene": ("mtopt_msgs/msg/SceneTruth", _CELL),
    }
    for camera in CAMERAS:
        below = f"/{client.robot}/{CAMERA_NAMESPACES[camera]}"
        told[f"{below}/image_raw"] = ("sensor_msgs/msg/Image", _CELL)
        told[f"{below}/camera_info"] = ("sensor_msgs/msg/CameraInfo", _CELL)
    heard = {
        f"/{client.robot}/joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
        f"/{client.robot}/bin/hinge_position_command": "std_msgs/msg/Float64",
    }
    node = client.node
    for topic, (kind, ours) in told.items():
        theirs = _others(node, node.get_publishers_info_by_topic(topic))
        expect(len(theirs) == 1, f"publishers of {topic}", len(theirs), 1)
        _fits(topic, theirs[0], kind, theirs[0].qos_profile, ours)
    for topic, kind in heard.items():
        theirs = _others(node, node.get_subscriptions_info_by_topic(topic))
        expect(bool(theirs), f"subscriptions of {topic}", 0, "at least 1")
        for info in theirs:
            _fits(topic, info, kind, _CELL, info.qos_profile)
    return f"{len(told)} told, {len(heard)} heard, reliably"


def _others(node, infos) -> list:
    return [info for info in infos if info.node_name != node.get_name()]


def _fits(topic: str, info, kind: str, publisher: QoSProfile, subscription: QoSProfile) -> None:
    expect(info.topic_type == kind, f"type of {topic}", info.topic_type, kind)
    # Discovery tells of deadlines and leases in another form than a profile of our own has.
    compatible, reason = qos_check_compatible(_essence(publisher), _essence(subscription))
    expect(compatible != QoSCompatibility.ERROR, f"quality of service of {topic}", reason, "a fit")


def _essence(profile: QoSProfile) -> QoSProfile:
    return QoSProfile(depth=1, reliability=profile.reliability, durability=profile.durability)


def check_services(client: Client) -> str:
    """Truth and new scenes are services of their types."""
    wanted = {
        "/truth/label_success": "mtopt_msgs/srv/LabelSuccess",
        "/simulator/new_scene": "mtopt_msgs/srv/NewScene",
    }
    there = dict(client.node.get_service_names_and_types())
    for name, kind in wanted.items():
        expect(there.get(name) == [kind], f"service {name}", there.get(name), [kind])
    return ", ".join(wanted)
