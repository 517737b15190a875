"""One station's nodes: `ros2 launch mtopt_bringup robot.launch.py robot:=robot_3`.

Camera, arm, bin reset and episode nodes of one robot, on the machine that its cables end at. What
all robots share (scheduler, policy, recorder, detector) runs elsewhere.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from mtopt_bringup.graph import robot_graph
from mtopt_bringup.ros_launch_actions import (
    chosen_options,
    declare_options,
    graph_actions,
    patient_stop,
)

OPTIONS = ("sim", "detector", "lockstep", "record", "use_sim_time", "run", "autostart", "arm")


def start(context) -> list:
    """Reads the arguments, starts the robot."""
    robot = LaunchConfiguration("robot").perform(context)
    return graph_actions(robot_graph(chosen_options(context, OPTIONS), robot))


def generate_launch_description() -> LaunchDescription:
    """The options that concern one robot; it is a real one unless `sim` says otherwise."""
    robot = DeclareLaunchArgument(
        "robot", default_value="robot_1", description="Its namespace, one of the cell's robots."
    )
    return LaunchDescription(
        [
            *patient_stop(),
            robot,
            *declare_options(OPTIONS, {"sim": "none"}),
            OpaqueFunction(function=start),
        ]
    )
