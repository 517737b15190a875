"""A simulator alone: `ros2 launch mtopt_bringup simulator.launch.py sim:=gazebo robots:=1`.

Without the cell's nodes: for `mtopt doctor --backend`, and for who brings robots' nodes of his own.
"""

from launch.actions import OpaqueFunction

from launch import LaunchDescription
from mtopt_bringup.gazebo_bridge import write_bridge
from mtopt_bringup.graph import simulator_graph
from mtopt_bringup.ros_launch_actions import (
    chosen_options,
    declare_options,
    graph_actions,
    patient_stop,
)

OPTIONS = (
    "sim", "robots", "world", "seed", "lockstep", "real_time_factor", "lockstep_timeout_s",
    "video", "tasks_file", "out", "run",
)  # fmt: skip


def start(context) -> list:
    """Reads the arguments, starts the simulator."""
    options = chosen_options(context, OPTIONS)
    if options.sim == "gazebo":
        write_bridge(options)
    return graph_actions(simulator_graph(options))


def generate_launch_description() -> LaunchDescription:
    """The options that concern the simulator."""
    return LaunchDescription(
        [*patient_stop(), *declare_options(OPTIONS), OpaqueFunction(function=start)]
    )
