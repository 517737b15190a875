"""The cell's node graph, once, as data: `mtopt cell` and launch/cell.launch.py both start this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.supervisor import Role
from mtopt_sim.world_file import world_name
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import robot_folder

ParameterValue = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Component:
    """A node that is loaded into a component container.

    Attributes:
        package: That registers it.
        plugin: Its class.
        name: Of the node.
        parameters: Of it.
    """

    package: str
    plugin: str
    name: str
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeProcess:
    """One process of the graph.

    Attributes:
        name: Of the process.
        package: ROS package of its executable.
        module: The same as a Python module; its last part is the executable's name. Of a program
            that is none: `package.executable`.
        role: What its end means for the cell.
        stop_order: Lower ones are ended first.
        namespace: Of its nodes, without the slash; '' for none.
        parameter_files: Below the share folder of mtopt_bringup.
        parameters: On top of those files.
        arguments: Of the executable, before those of ROS.
        components: That a container is to load.
    """

    name: str
    package: str
    module: str
    role: Role
    stop_order: int
    namespace: str = ""
    parameter_files: tuple[str, ...] = ()
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()

    @property
    def executable(self) -> str:
        """As `ros2 run` and launch know it."""
        return self.module.rsplit(".", 1)[-1]

    def remappings(self) -> list[str]:
        """Arguments that set the namespace of the executable's own node.

        Not of all its nodes: those below (a camera's) keep the namespace that it gives them.
        """
        return ["-r", f"{self.executable}:__ns:=/{self.namespace}"] if self.namespace else []

    def restart_parameters(self, restart: str = "{restart}") -> dict[str, str]:
        """What a restart changes: a robot's episodes get names that it has not used yet."""
        run = self.parameters.get("run")
        return {"run": f"{run}-r{restart}"} if run else {}

    def parameter_paths(self) -> list[Path]:
        """Its installed parameter files."""
        return [share_dir() / "params" / name for name in self.parameter_files]


def robot_names(options: CellOptions) -> tuple[str, ...]:
    """Namespaces of the robots."""
    return tuple(f"robot_{i + 1}" for i in range(options.robots))


def simulator_graph(options: CellOptions) -> tuple[NodeProcess, ...]:
    """What plays the robots' part: the simulator, and what stands between it and the cell."""
    if options.sim == "gazebo":
        return tuple(_gazebo(options))
    if options.sim == "none":
        return ()
    return (
        NodeProcess(
            "simulator", "mtopt_sim", "mtopt_sim.simulator_node", Role.ESSENTIAL, 2,
            parameter_files=("simulator_node.yaml",),
            parameters={
                "robots": options.robots,
                "seed": options.seed,
                "lockstep": options.lockstep,
                "real_time_factor": options.real_time_factor,
                "wall_time": not options.lockstep and options.use_sim_time == "false",
                "lockstep_timeout_s": options.lockstep_timeout_s,
                "video": options.video,
                "world": options.world,
                **_tasks_file(options),
            },
        ),
    )  # fmt: skip


def cell_graph(options: CellOptions) -> tuple[NodeProcess, ...]:
    """All processes of a cell, in the order of their start."""
    robots = list(robot_names(options))
    processes = list(simulator_graph(options))
    if options.record:
        processes.append(
            NodeProcess(
                "recorder", "mtopt_control", "mtopt_control.recorder.recorder_node",
                Role.SERVER, 1,
                parameter_files=("recorder_node.yaml",),
                parameters={
                    "robots": robots,
                    "out": options.out,
                    # Frames cannot come late where time waits for them.
                    **({"late_s": 1e12} if options.waits else {}),
                    **_clock(options),
                },
            )
        )  # fmt: skip
    processes += [
        _scheduler(options, robots),
        _policy(options),
    ]  # fmt: skip
    if options.detector:
        processes.append(
            NodeProcess(
                "success_detector", "mtopt_learning",
                "mtopt_learning.success.success_detector_node", Role.SERVER, 2,
                parameter_files=("success_detector_node.yaml",),
                parameters={"checkpoint": options.detector},
            )
        )  # fmt: skip
    processes += [_robot(options, name) for name in robots]
    return tuple(processes)


def _scheduler(options: CellOptions, robots: list[str]) -> NodeProcess:
    """Who answers /assign_task."""
    if options.goals:
        return NodeProcess(
            "goal_schedule", "mtopt_bringup", "mtopt_bringup.goalset.goal_schedule_node",
            Role.ESSENTIAL, 2,
            parameter_files=_files(options, "goal_schedule_node"),
            parameters={
                "robots": robots,
                "goals": options.goals,
                "policy": options.policy,
                **_tasks_file(options),
            },
        )  # fmt: skip
    return NodeProcess(
        "task_scheduler", "mtopt_control", "mtopt_control.schedule.task_scheduler_node",
        Role.ESSENTIAL, 2,
        parameter_files=_files(options, "task_scheduler_node"),
        parameters={
            "robots": robots,
            "episodes": options.episodes,
            "seed": options.seed,
            "tasks": list(options.tasks) or [""],
            "policy": options.policy,
            # In Gazebo, as on hardware, the bin is all that makes new scenes.
            "simulated": options.sim == "mujoco",
            **_tasks_file(options),
        },
    )  # fmt: skip


def robot_graph(options: CellOptions, name: str) -> tuple[NodeProcess, ...]:
    """One robot's process alone, as the cell has it."""
    return (_robot(options, name),)


def replay_graph(options: CellOptions, bag: str, episodes: int = 0) -> tuple[NodeProcess, ...]:
    """The policy, and a node that asks it about the states of a bag (0 episodes: all)."""
    return (
        _policy(options),
        NodeProcess(
            "replay", "mtopt_bringup", "mtopt_bringup.replay_node", Role.WORKER, 0,
            parameter_files=("replay_node.yaml",),
            parameters={"bag": bag, "policy": options.policy, "episodes": episodes},
        ),
    )  # fmt: skip


def _policy(options: CellOptions) -> NodeProcess:
    return NodeProcess(
        "policy", "mtopt_learning", "mtopt_learning.policy.policy_node", Role.SERVER, 2,
        parameter_files=("policy_node.yaml",),
        parameters={
            "checkpoint": options.checkpoint,
            "epsilon": options.epsilon,
            **_tasks_file(options),
        },
    )  # fmt: skip


def gazebo_world(options: CellOptions) -> Path:
    """The installed world file that Gazebo runs, with all robots that are in it."""
    name = options.world or ("one_station.sdf" if options.robots == 1 else "bin_cell.sdf")
    return share_dir() / "worlds" / name


def bridge_file(options: CellOptions) -> Path:
    """Where the bridge's configuration is written before the cell starts; see gazebo_bridge.py."""
    return options.run_folder / "ros_gz_bridge.yaml"


def _gazebo(options: CellOptions) -> list[NodeProcess]:
    """Gazebo's server and its bridge in one container, and what makes them a cell's simulator."""
    world, robots = gazebo_world(options), list(robot_names(options))
    own = {"robots": robots, "world": str(world), "use_sim_time": True}
    set_pose = f"/world/{world_name(world)}/set_pose@ros_gz_interfaces/srv/SetEntityPose"
    return [
        NodeProcess(
            "gazebo", "rclcpp_components", "rclcpp_components.component_container",
            Role.ESSENTIAL, 2,
            components=(
                Component(
                    "ros_gz_sim", "ros_gz_sim::GzServer", "gz_server",
                    {"world_sdf_file": str(world)},
                ),
                Component(
                    "ros_gz_bridge", "ros_gz_bridge::RosGzBridge", "ros_gz_bridge",
                    {"config_file": str(bridge_file(options))},
                ),
            ),
        ),
        # A file configures topics alone.
        NodeProcess(
            "gazebo_set_pose", "ros_gz_bridge", "ros_gz_bridge.parameter_bridge", Role.SERVER, 2,
            arguments=(set_pose,),
        ),
        NodeProcess(
            "gazebo_arm", "mtopt_sim", "mtopt_sim.gazebo_arm_node", Role.SERVER, 2,
            parameter_files=("gazebo_arm_node.yaml",),
            parameters=own,
        ),
        NodeProcess(
            "gazebo_truth", "mtopt_sim", "mtopt_sim.gazebo_truth_node", Role.SERVER, 2,
            parameter_files=("gazebo_truth_node.yaml",),
            parameters=own,
        ),
    ]  # fmt: skip


def _robot(options: CellOptions, name: str) -> NodeProcess:
    """One robot: its camera, arm, bin reset and episode nodes in one process."""
    return NodeProcess(
        name, "mtopt_control", "mtopt_control.robot_node", Role.WORKER, 0,
        namespace=name,
        parameter_files=_files(
            options, "robot_node", "camera_node", "arm_node", "bin_reset_node", "episode_node"
        ),
        parameters={
            "run": options.run,
            "autostart": options.autostart,
            "exit_when_finished": True,
            "simulator": options.simulated,
            "lockstep": options.waits,
            "judge": _judge(options),
            "robot_file": str(robot_folder(options.arm)),
            **({"max_steps": options.max_steps} if options.max_steps else {}),
            **_tasks_file(options),
            **({} if options.record else {"require_recorder": False}),
            **_clock(options),
        },
    )  # fmt: skip


def _judge(options: CellOptions) -> str:
    """Whose label is the reward."""
    if options.detector:
        return "detector"
    return "simulator" if options.simulated else "none"


def _tasks_file(options: CellOptions) -> dict[str, ParameterValue]:
    return {"tasks_file": options.tasks_file} if options.tasks_file else {}


def _clock(options: CellOptions) -> dict[str, ParameterValue]:
    """Nodes go by the simulator's clock; in lockstep they go by stamps and look at no clock."""
    if options.use_sim_time == "auto":
        return {"use_sim_time": True} if options.simulated and not options.waits else {}
    return {"use_sim_time": options.use_sim_time == "true"}


def _files(options: CellOptions, *nodes: str) -> tuple[str, ...]:
    """The nodes' parameter files, then what is different where time runs freely, or on hardware."""
    free = () if options.waits else ("free",)
    overlays = {"mujoco": free, "gazebo": (*free, "gazebo"), "none": ("real",)}[options.sim]
    names = [f"{node}.yaml" for node in nodes]
    over = [f"{overlay}/{name}" for overlay in overlays for name in names]
    return (*names, *(name for name in over if (share_dir() / "params" / name).exists()))
