"""What Gazebo calls the topics of a world's robots, as its systems name them by default."""

from __future__ import annotations

from dataclasses import dataclass

from mtopt_sim.description import Model, World
from mtopt_sim.scene import object_names
from mtopt_spec.bag_topics import CAMERA_NAMESPACES

GAZEBO = "gazebo"
"""Namespace of what a node of ours turns into the cell's topics, and back."""


@dataclass(frozen=True)
class BridgedTopic:
    """One topic on both sides of ros_gz_bridge.

    Attributes:
        ros, gz: Names.
        ros_type, gz_type: Types.
        to_ros: From Gazebo to ROS, or the other way.
    """

    ros: str
    gz: str
    ros_type: str
    gz_type: str
    to_ros: bool = True


def arm_joint_states(robot: str) -> str:
    """ROS topic of the arm's and the finger's readings alone."""
    return f"/{GAZEBO}/{robot}/joint_states"


def hinge_joint_states(robot: str) -> str:
    """ROS topic of the hinge's readings alone."""
    return f"/{GAZEBO}/{robot}/bin/joint_states"


def dense_trajectory(robot: str) -> str:
    """ROS topic of the trajectory that Gazebo's controller follows, point by point."""
    return f"/{GAZEBO}/{robot}/joint_trajectory"


def object_pose(robot: str, name: str) -> str:
    """ROS topic of an object's pose in the world."""
    return f"/{GAZEBO}/{robot}/{name}/pose"


def clock() -> BridgedTopic:
    """Simulated time."""
    return BridgedTopic("/clock", "/clock", "rosgraph_msgs/msg/Clock", "gz.msgs.Clock")


def robot_topics(world: World, robot: str) -> tuple[BridgedTopic, ...]:
    """Every topic of one robot.

    Args:
        world: The description of the world file that Gazebo runs.
        robot: Name of the robot in it.
    """
    in_world = f"/world/{world.name}/model"
    state = ("sensor_msgs/msg/JointState", "gz.msgs.Model")
    return (
        BridgedTopic(arm_joint_states(robot), f"{in_world}/{robot}/joint_state", *state),
        BridgedTopic(hinge_joint_states(robot), f"{in_world}/{robot}_bin/joint_state", *state),
        BridgedTopic(
            dense_trajectory(robot), f"/model/{robot}/joint_trajectory",
            "trajectory_msgs/msg/JointTrajectory", "gz.msgs.JointTrajectory", to_ros=False,
        ),
        BridgedTopic(
            f"/{robot}/bin/hinge_position_command", f"/model/{robot}_bin/hinge_position_command",
            "std_msgs/msg/Float64", "gz.msgs.Double", to_ros=False,
        ),
        *_camera_topics(world, robot),
        *(
            # Of Pose_V's conversions the one that keeps names needs tf2_msgs; a Pose's topic is
            # a name, too.
            BridgedTopic(
                object_pose(robot, name), f"/model/{robot}_{name}/pose",
                "geometry_msgs/msg/PoseStamped", "gz.msgs.Pose",
            )
            for name in object_names(world, robot)
        ),
    )  # fmt: skip


def _camera_topics(world: World, robot: str) -> list[BridgedTopic]:
    topics = []
    for model in (world.models[robot], world.models[f"{robot}_shoulder_camera"]):
        for link in model.links.values():
            for camera in link.cameras:
                name = _carrier(model, link.name) if model.name == robot else link.name
                gz = f"/world/{world.name}/model/{model.name}/link/{name}/sensor/{camera.name}"
                ros = f"/{robot}/{CAMERA_NAMESPACES.get(camera.name, camera.name)}"
                topics += [
                    BridgedTopic(
                        f"{ros}/image_raw", f"{gz}/image",
                        "sensor_msgs/msg/Image", "gz.msgs.Image",
                    ),
                    BridgedTopic(
                        f"{ros}/camera_info", f"{gz}/camera_info",
                        "sensor_msgs/msg/CameraInfo", "gz.msgs.CameraInfo",
                    ),
                ]  # fmt: skip
    return topics


def _carrier(arm: Model, link: str) -> str:
    """The link that a URDF's link becomes part of where it is fixed to another one."""
    parents = {joint.child: joint.parent for joint in arm.joints if joint.kind == "fixed"}
    while link in parents and parents[link] != "world":
        link = parents[link]
    return link
