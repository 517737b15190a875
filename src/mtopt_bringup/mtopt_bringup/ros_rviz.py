"""What RViz needs to show a cell: each robot's description, where it stands, a configuration."""

from __future__ import annotations

from launch_ros.actions import Node

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.graph import gazebo_world, robot_names
from mtopt_control.arm.kinematics import read_urdf
from mtopt_sim.description import World
from mtopt_sim.world_file import read_world
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder


def stations(options: CellOptions) -> tuple[World, tuple[str, ...]]:
    """The world file's description and the robots that the cell drives in it."""
    return read_world(gazebo_world(options)), robot_names(options)


def rviz_actions(options: CellOptions) -> list[Node]:
    """RViz itself, and transforms of every link from the joint states."""
    world, robots = stations(options)
    description = read_urdf(load_robot(worlds_robot_folder()).urdf)
    nodes = []
    for robot in robots:
        nodes.append(
            Node(
                package="robot_state_publisher",
                executable="robot_state_publisher",
                namespace=robot,
                parameters=[{"robot_description": description, "frame_prefix": f"{robot}/"}],
            )
        )
        for model, frame in ((robot, f"{robot}/world"), (f"{robot}_bin", f"{robot}/bin")):
            x, y, z = map(str, world.models[model].pose[:3, 3])
            place = ["--x", x, "--y", y, "--z", z, "--frame-id", "world", "--child-frame-id", frame]
            nodes.append(
                Node(
                    package="tf2_ros",
                    executable="static_transform_publisher",
                    name=f"{model}_place",
                    arguments=place,
                )
            )
    config = str(share_dir() / "launch" / "cell.rviz")
    return [*nodes, Node(package="rviz2", executable="rviz2", arguments=["-d", config])]
