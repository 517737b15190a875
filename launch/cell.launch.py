"""The cell: `ros2 launch mtopt_bringup cell.launch.py robots:=7 episodes:=100 out:=bags`.

The graph itself is data: mtopt_bringup/graph.py, which `mtopt cell` starts as well. `--show-args`
lists every argument; docs/launch.md has examples.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from mtopt_bringup.gazebo_bridge import write_bridge
from mtopt_bringup.graph import cell_graph
from mtopt_bringup.ros_launch_actions import (
    chosen_options,
    declare_options,
    graph_actions,
    patient_stop,
)
from mtopt_bringup.ros_rviz import rviz_actions


def start(context) -> list:
    """Reads the arguments, starts the graph."""
    options = chosen_options(context)
    if options.sim == "gazebo":
        write_bridge(options)
    actions = graph_actions(cell_graph(options))
    if LaunchConfiguration("rviz").perform(context) == "true":
        actions += rviz_actions(options)
    return actions


def generate_launch_description() -> LaunchDescription:
    """Every field of CellOptions is a launch argument."""
    rviz = DeclareLaunchArgument(
        "rviz",
        default_value="false",
        description="Show arms, bins and cameras in RViz.",
        choices=["true", "false"],
    )
    return LaunchDescription(
        [*patient_stop(), *declare_options(), rviz, OpaqueFunction(function=start)]
    )
