"""The bag contract's topics. docs/bags.md describes them; the recorder subscribes to them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class BagTopic:
    """One topic below a robot's namespace.

    Attributes:
        name: Below the namespace: `joint_states`.
        type: ROS type.
        per: `tick` (one an observation), `step` (one an action), `episode`, or `stream`.
    """

    name: str
    type: str
    per: str


EPISODE_BEGIN = BagTopic("episode/begin", "mtopt_msgs/msg/EpisodeBegin", "episode")
EPISODE_END = BagTopic("episode/end", "mtopt_msgs/msg/EpisodeEnd", "episode")
ACTION_COMMANDED = BagTopic("action/commanded", "mtopt_msgs/msg/ActionCommanded", "step")
ACTION_SENT = BagTopic("action/sent", "mtopt_msgs/msg/ActionSent", "step")
JOINT_STATES = BagTopic("joint_states", "sensor_msgs/msg/JointState", "stream")
TOOL_STATE = BagTopic("tool_state", "mtopt_msgs/msg/ToolState", "tick")
JOINT_TRAJECTORY = BagTopic("joint_trajectory", "trajectory_msgs/msg/JointTrajectory", "step")

CAMERA_NAMESPACES = {"shoulder": "camera", "wrist": "wrist_camera"}
"""Camera name to its namespace below the robot's."""


def camera_image(camera: str) -> BagTopic:
    """The topic of a camera's pictures, JPEG."""
    return BagTopic(
        f"{CAMERA_NAMESPACES.get(camera, camera)}/image/compressed",
        "sensor_msgs/msg/CompressedImage",
        "tick",
    )


def wanted_image(camera: str) -> BagTopic:
    """The topic of goal pictures for who asks for an episode without one; in no bag."""
    return replace(camera_image(camera), name=f"goal/{camera_image(camera).name}", per="stream")


def goal_image(camera: str) -> BagTopic:
    """The topic of what an episode is to bring about, as a camera shall see it then.

    It has the stamp of the begin. Only where there is a goal.
    """
    return replace(wanted_image(camera), name=f"episode/{wanted_image(camera).name}")


def camera_info(camera: str) -> BagTopic:
    """The topic of a camera's calibration."""
    return BagTopic(
        f"{CAMERA_NAMESPACES.get(camera, camera)}/camera_info",
        "sensor_msgs/msg/CameraInfo",
        "episode",
    )
