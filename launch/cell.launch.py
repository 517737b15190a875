"""The cell's node graph for `ros2 launch mtopt_bringup cell.launch.py robots:=7 out:=bags`.

The graph itself is data: mtopt_bringup/graph.py, which `mtopt cell` starts as well.
"""

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from mtopt_bringup.graph import NodeProcess, cell_graph, options_from_text, options_to_text
from mtopt_bringup.supervisor import Role


def node_action(process: NodeProcess, restart: int = 0) -> Node:
    """A process of the graph as a launch_ros action; `restart` counts how often it died."""
    again = process.restart_arguments(str(restart)) if restart else []
    return Node(
        package=process.package,
        executable=process.executable,
        ros_arguments=[*process.remappings(), *again],
        parameters=[*map(str, process.parameter_paths()), dict(process.parameters)],
        output="screen",
        respawn=process.role is Role.SERVER,
        respawn_delay=0.5,
        on_exit=[EmitEvent(event=Shutdown())] if process.role is Role.ESSENTIAL else None,
    )


def worker_actions(process: NodeProcess, working: set[str], restart: int = 0) -> list:
    """A worker: exit code 0 is its work done, any other starts it again; the last one ends all."""
    node = node_action(process, restart)

    def on_exit(event, context):
        if event.returncode != 0:
            return None if context.is_shutdown else worker_actions(process, working, restart + 1)
        working.discard(process.name)
        return None if working else [EmitEvent(event=Shutdown())]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=on_exit)), node]


def start(context) -> list:
    """Reads the arguments, starts the graph."""
    names = options_to_text()
    graph = cell_graph(
        options_from_text({name: LaunchConfiguration(name).perform(context) for name in names})
    )
    working = {process.name for process in graph if process.role is Role.WORKER}
    actions = []
    for process in graph:
        if process.role is Role.WORKER:
            actions += worker_actions(process, working)
        else:
            actions.append(node_action(process))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Every field of CellOptions is a launch argument."""
    arguments = [
        DeclareLaunchArgument(name, default_value=text, description=f"CellOptions.{name}")
        for name, text in options_to_text().items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
