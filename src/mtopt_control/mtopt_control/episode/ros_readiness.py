"""What must be there before a robot begins to live."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node

from mtopt_spec import bag_topics
from mtopt_spec.ros_parameters import robot_of


def missing_endpoints(
    node: Node, camera_names: Sequence[str], *, require_recorder: bool
) -> list[str]:
    """Endpoints outside this robot's own nodes that are not there yet, in words.

    An episode whose begin the recorder did not hear would be void, so all that it must hear is
    looked for.

    Args:
        node: Of the robot.
        camera_names: Whose pictures are recorded.
        require_recorder: A recorder is needed.
    """
    missing = []
    if not node.count_subscribers("joint_trajectory"):
        missing.append("a controller of joint_trajectory")
    if require_recorder:
        topics = [bag_topics.EPISODE_BEGIN, bag_topics.EPISODE_END, bag_topics.TOOL_STATE]
        topics += [bag_topics.ACTION_COMMANDED, bag_topics.ACTION_SENT]
        topics += [bag_topics.camera_image(name) for name in camera_names]
        unheard = [topic.name for topic in topics if not _others_hear(node, topic.name)]
        missing += [f"a recorder of {name}" for name in unheard]
        if not node.count_publishers("episode/recorded"):
            missing.append("episode/recorded")
    return missing


def _others_hear(node: Node, topic: str) -> bool:
    """True where a node outside this robot listens to one of its topics."""
    own = robot_of(node)
    return any(
        info.node_namespace.strip("/").split("/")[0] != own
        for info in node.get_subscriptions_info_by_topic(node.resolve_topic_name(topic))
    )
