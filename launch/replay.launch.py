"""A bag against the policy: `ros2 launch mtopt_bringup replay.launch.py bag:=bags/robot_1/...`.

replay_node asks the policy node what it would do in every state of the bag, and says how far that
is from what was done. Nothing moves.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from mtopt_bringup.graph import replay_graph
from mtopt_bringup.ros_launch_actions import (
    chosen_options,
    declare_options,
    graph_actions,
    patient_stop,
)

OPTIONS = ("policy", "checkpoint", "epsilon")


def start(context) -> list:
    """Reads the arguments, starts the policy and the replay."""
    bag, episodes = (LaunchConfiguration(name).perform(context) for name in ("bag", "episodes"))
    return graph_actions(replay_graph(chosen_options(context, OPTIONS), bag, int(episodes)))


def generate_launch_description() -> LaunchDescription:
    """The policy's options, and which bag."""
    return LaunchDescription(
        [
            *patient_stop(),
            DeclareLaunchArgument("bag", description="A bag, or a folder of bags."),
            DeclareLaunchArgument(
                "episodes", default_value="0", description="So many of it; 0: all."
            ),
            *declare_options(OPTIONS),
            OpaqueFunction(function=start),
        ]
    )
