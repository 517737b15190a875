"""The cell's node graph, once, as data: `mtopt cell` and launch/cell.launch.py both start this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mtopt_bringup.supervisor import Role
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir

ParameterValue = bool | int | float | str | list[str]


@dataclass(frozen=True)
class CellOptions:
    """What a person chooses of a cell.

    Attributes:
        robots: How many stations.
        episodes: Episodes to collect, of all robots together; 0 goes on until it is stopped.
        out: Folder of the bags.
        seed: Of every random draw.
        tasks: Names of the tasks to offer; none offers all.
        policy: `bootstrap` (each task's own), `random`, `qfunction`, or a policy's name.
        checkpoint: Folder of the Q-function's checkpoint; '' for none.
        detector: Folder of the success detector's checkpoint; '': the simulator's truth rewards.
        epsilon: Share of random actions among the Q-function's.
        simulate: Start the simulator; without it robots and cameras are somebody else's.
        lockstep: Physics waits for every robot.
        real_time_factor: Free-running: simulated seconds a second.
        lockstep_timeout_s: Silence after which a robot is not waited for.
        video: MP4 file of the cell to write; '' for none.
        run: Name of the run: the beginning of its episodes' ids.
        autostart: Robots ask the scheduler for tasks; without it they wait for the actions
            run_episode and reach_goal, until the cell is stopped.
        goals: Folder of goals that the robots are to reach, each once, in place of tasks; '': none.
        max_steps: Control steps of an episode; 0: as in the parameter file.
        world: World file of the simulator; '': the installed one.
        tasks_file: Of all nodes; '': the installed one.
    """

    robots: int = 7
    episodes: int = 100
    out: str = "bags"
    seed: int = 0
    tasks: tuple[str, ...] = ()
    policy: str = "bootstrap"
    checkpoint: str = ""
    detector: str = ""
    epsilon: float = 0.0
    simulate: bool = True
    lockstep: bool = True
    real_time_factor: float = 1.0
    lockstep_timeout_s: float = 10.0
    video: str = ""
    run: str = "run"
    autostart: bool = True
    goals: str = ""
    max_steps: int = 0
    world: str = ""
    tasks_file: str = ""


@dataclass(frozen=True)
class NodeProcess:
    """One process of the graph.

    Attributes:
        name: Of the process.
        package: ROS package of its executable.
        module: The same as a Python module; its last part is the executable's name.
        role: What its end means for the cell.
        stop_order: Lower ones are ended first.
        namespace: Of its nodes, without the slash; '' for none.
        parameter_files: Below the share folder of mtopt_bringup.
        parameters: On top of those files.
    """

    name: str
    package: str
    module: str
    role: Role
    stop_order: int
    namespace: str = ""
    parameter_files: tuple[str, ...] = ()
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)

    @property
    def executable(self) -> str:
        """As `ros2 run` and launch know it."""
        return self.module.rsplit(".", 1)[-1]

    def remappings(self) -> list[str]:
        """Arguments that set the namespace of the executable's own node.

        Not of all its nodes: those below (a camera's) keep the namespace that it gives them.
        """
        return ["-r", f"{self.executable}:__ns:=/{self.namespace}"] if self.namespace else []

    def restart_arguments(self, restart: str = "{restart}") -> list[str]:
        """Arguments of a restart: a robot's episodes get names that it has not used yet."""
        run = self.parameters.get("run")
        return ["-p", f"run:={run}-r{restart}"] if run else []

    def parameter_paths(self) -> list[Path]:
        """Its installed parameter files."""
        return [share_dir() / "params" / name for name in self.parameter_files]


def robot_names(options: CellOptions) -> tuple[str, ...]:
    """Namespaces of the robots."""
    return tuple(f"robot_{i + 1}" for i in range(options.robots))


def cell_graph(options: CellOptions) -> tuple[NodeProcess, ...]:
    """All processes of a cell, in the order of their start."""
    robots = list(robot_names(options))
    processes = []
    if options.simulate:
        processes.append(
            NodeProcess(
                "simulator", "mtopt_sim", "mtopt_sim.simulator_node", Role.ESSENTIAL, 2,
                parameter_files=("simulator_node.yaml",),
                parameters={
                    "robots": options.robots,
                    "seed": options.seed,
                    "lockstep": options.lockstep,
                    "real_time_factor": options.real_time_factor,
                    "lockstep_timeout_s": options.lockstep_timeout_s,
                    "video": options.video,
                    "world": options.world,
                    **_tasks_file(options),
                },
            )
        )  # fmt: skip
    processes += [
        NodeProcess(
            "recorder", "mtopt_control", "mtopt_control.recorder.recorder_node", Role.SERVER, 1,
            parameter_files=("recorder_node.yaml",),
            parameters={
                "robots": robots,
                "out": options.out,
                # Frames cannot come late where time waits for them.
                **({"late_s": 1e12} if options.simulate and options.lockstep else {}),
                **_clock(options),
            },
        ),
        _scheduler(options, robots),
        NodeProcess(
            "policy", "mtopt_learning", "mtopt_learning.policy.policy_node", Role.SERVER, 2,
            parameter_files=("policy_node.yaml",),
            parameters={
                "checkpoint": options.checkpoint,
                "epsilon": options.epsilon,
                **_tasks_file(options),
            },
        ),
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
            "simulated": options.simulate,
            **_tasks_file(options),
        },
    )  # fmt: skip


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
            "simulator": options.simulate,
            "lockstep": options.simulate and options.lockstep,
            "judge": "detector" if options.detector else "simulator",
            **({"max_steps": options.max_steps} if options.max_steps else {}),
            **_tasks_file(options),
            **_clock(options),
        },
    )  # fmt: skip


def _tasks_file(options: CellOptions) -> dict[str, ParameterValue]:
    return {"tasks_file": options.tasks_file} if options.tasks_file else {}


def _clock(options: CellOptions) -> dict[str, ParameterValue]:
    """Nodes go by the simulator's clock; in lockstep they go by stamps and look at no clock."""
    return {"use_sim_time": True} if options.simulate and not options.lockstep else {}


def _files(options: CellOptions, *nodes: str) -> tuple[str, ...]:
    """The nodes' parameter files, then what is different in simulation or on hardware."""
    overlay = "sim" if options.simulate else "real"
    names = [f"{node}.yaml" for node in nodes]
    over = [f"{overlay}/{name}" for name in names]
    return (*names, *(name for name in over if (share_dir() / "params" / name).exists()))


def options_to_text(options: CellOptions = CellOptions()) -> dict[str, str]:
    """Options as a launch file's arguments: booleans `true`/`false`, lists with commas."""
    return {field.name: _to_text(getattr(options, field.name)) for field in fields(CellOptions)}


def options_from_text(texts: Mapping[str, str]) -> CellOptions:
    """The options that a launch file's arguments mean.

    Raises:
        InputError: An unknown name or a text that is no value of the option.
    """
    kinds = {field.name: field.default for field in fields(CellOptions)}
    values = {}
    for name, text in texts.items():
        if name not in kinds:
            raise InputError("launch argument", where=name, got=name, expected=sorted(kinds))
        try:
            values[name] = _from_text(text, kinds[name])
        except ValueError:
            raise InputError(
                f"launch argument {name}", where="launch", got=repr(text),
                expected=type(kinds[name]).__name__,
            ) from None  # fmt: skip
    return CellOptions(**values)


def _to_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _from_text(text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, tuple):
        return tuple(part for part in text.split(",") if part)
    return type(default)(text)
