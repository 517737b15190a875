"""The node graph as launch_ros actions, for the launch files alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from mtopt_bringup.cell_options import (
    SIMULATORS,
    CellOptions,
    option_help,
    options_from_text,
    options_to_text,
)
from mtopt_bringup.graph import NodeProcess
from mtopt_bringup.supervisor import MAX_RESTARTS, Role

PATIENCE_S = 15
"""After Ctrl-C, before a process that has not ended gets SIGTERM: a bag is closed by then."""
RESTART_DELAY_S = 0.5
_CHOICES = {"sim": SIMULATORS, "use_sim_time": ("auto", "true", "false")}


def declare_options(
    names: Iterable[str] | None = None, defaults: Mapping[str, str] | None = None
) -> list[DeclareLaunchArgument]:
    """Options of a cell as launch arguments, with CellOptions' own words and defaults.

    A run's name is its own: the time at which it was launched.

    Args:
        names: Of those that the launch file has; None: all.
        defaults: Where a launch file means something else.
    """
    own = {"run": time.strftime("run%y%m%d-%H%M%S"), **(defaults or {})}
    texts, words = {**options_to_text(), **own}, option_help()
    return [
        DeclareLaunchArgument(
            name,
            default_value=texts[name],
            description=words[name],
            choices=_CHOICES.get(name) or (["true", "false"] if _is_switch(name) else None),
        )
        for name in (texts if names is None else names)
    ]


def _is_switch(name: str) -> bool:
    return isinstance(getattr(CellOptions(), name), bool)


def chosen_options(context, names: Iterable[str] | None = None, **fixed: str) -> CellOptions:
    """What the launch arguments say.

    Raises:
        InputError: A text is no value of its option.
    """
    names = options_to_text() if names is None else names
    texts = {name: LaunchConfiguration(name).perform(context) for name in names}
    return options_from_text({**texts, **fixed})


def patient_stop() -> list:
    """Actions that let processes close their files after Ctrl-C."""
    return [
        SetLaunchConfiguration("sigterm_timeout", str(PATIENCE_S)),
        SetLaunchConfiguration("sigkill_timeout", str(PATIENCE_S)),
    ]


def graph_actions(graph: Iterable[NodeProcess]) -> list:
    """Every process of a graph, each started anew or ending the cell as its role demands."""
    graph = tuple(graph)
    working = {process.name for process in graph if process.role is Role.WORKER}
    return [action for process in graph for action in process_actions(process, working)]


def process_actions(process: NodeProcess, working: set[str], restart: int = 0) -> list:
    """A process, and what its end brings about: see docs/launch.md.

    Args:
        process: Of the graph.
        working: Names of the workers that are not done.
        restart: How often it died.
    """
    node = node_action(process, restart)

    def on_exit(event, context):
        if context.is_shutdown:
            return None
        if process.role is Role.WORKER and event.returncode == 0:
            working.discard(process.name)
            return None if working else _shutdown("every robot has its share")
        if process.role is Role.ESSENTIAL:
            # A Ctrl-C reaches all processes at once: launch may hear of this end before its own.
            return _fail_soon(f"{process.name} ended: without it there is no cell")
        if restart >= MAX_RESTARTS:
            return _fail_soon(f"{process.name} ended after {restart} restarts")
        again = process_actions(process, working, restart + 1)
        return [TimerAction(period=RESTART_DELAY_S, actions=again)]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=on_exit)), node]


def node_action(process: NodeProcess, restart: int = 0):
    """A process of the graph as a launch_ros action; `restart` counts how often it died."""
    if process.components:
        return _container(process)
    again = process.restart_parameters(str(restart)) if restart else {}
    return Node(
        package=process.package,
        executable=process.executable,
        arguments=list(process.arguments),
        ros_arguments=process.remappings(),
        parameters=[*map(str, process.parameter_paths()), {**process.parameters, **again}],
        output="screen",
    )


def _container(process: NodeProcess):
    # launch_ros needs composition_interfaces for these two, which not every machine has.
    from launch_ros.actions import ComposableNodeContainer
    from launch_ros.descriptions import ComposableNode

    return ComposableNodeContainer(
        package=process.package,
        executable=process.executable,
        name=process.name,
        namespace=process.namespace,
        composable_node_descriptions=[
            ComposableNode(
                package=component.package,
                plugin=component.plugin,
                name=component.name,
                parameters=[dict(component.parameters)],
            )
            for component in process.components
        ],
        output="screen",
    )


def _shutdown(reason: str) -> list:
    return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]


def _fail_soon(reason: str) -> list:
    fail = OpaqueFunction(function=_fail, args=[reason])
    return [TimerAction(period=RESTART_DELAY_S, actions=[fail])]


def _fail(context, reason: str) -> None:
    """Ends the launch, and its exit code is 1; while it ends anyway nothing has failed."""
    if not context.is_shutdown:
        raise RuntimeError(reason)


def in_turn(steps: Iterable[tuple[str, list[str]]]) -> list:
    """Programs one after the other; one that fails ends the launch, and so does the last one."""
    steps = list(steps)
    if not steps:
        return _shutdown("all is done")
    (name, argv), rest = steps[0], steps[1:]
    process = ExecuteProcess(cmd=argv, name=name, output="screen")

    def on_exit(event, context):
        if event.returncode != 0:
            reason = f"{name} ended with exit code {event.returncode}"
            return [OpaqueFunction(function=_fail, args=[reason])]
        return None if context.is_shutdown else in_turn(rest)

    return [RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit)), process]
