"""One node graph: as data, as processes, and as launch actions."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest
import yaml

from mtopt_bringup.cell_options import CellOptions, options_from_text, options_to_text
from mtopt_bringup.graph import cell_graph
from mtopt_bringup.processes import process_specs
from mtopt_bringup.supervisor import Role
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir

ROOT = Path(__file__).parents[2]
OPTIONS = CellOptions(robots=3, episodes=5, out="bags", seed=4, tasks=("lift-any",), run="r4")


def test_every_process_exists_and_gets_its_parameters(tmp_path):
    graph = cell_graph(OPTIONS)
    assert [p.name for p in graph if p.role is Role.WORKER] == ["robot_1", "robot_2", "robot_3"]
    for process, spec in zip(graph, process_specs(graph, tmp_path)):
        assert importlib.util.find_spec(process.module), process.module
        own = yaml.safe_load((tmp_path / f"{process.name}.yaml").read_text())
        assert own["/**"]["ros__parameters"] == dict(process.parameters)
        files = [Path(a) for a, flag in zip(spec.argv[1:], spec.argv) if flag == "--params-file"]
        assert files[-1] == tmp_path / f"{process.name}.yaml", "its own come last: they win"
        assert all(path.exists() for path in files), files


def test_every_parameter_is_one_that_the_files_know():
    """A parameter that no node declares would be ignored in silence."""
    for process in cell_graph(OPTIONS):
        known = set()
        for path in process.parameter_paths():
            for section in yaml.safe_load(path.read_text()).values():
                known |= set(section["ros__parameters"])
        assert set(process.parameters) - {"use_sim_time"} <= known, process.name


def test_a_cell_with_goals_has_their_schedule_their_world_and_their_time():
    options = CellOptions(
        robots=2, goals="goals", policy="random", max_steps=23, world="w.sdf", tasks_file="t.yaml"
    )
    graph = {process.name: process for process in cell_graph(options)}
    assert "task_scheduler" not in graph
    schedule = graph["goal_schedule"]
    assert importlib.util.find_spec(schedule.module) and schedule.role is Role.ESSENTIAL
    known = yaml.safe_load(schedule.parameter_paths()[0].read_text())
    (known,) = (section["ros__parameters"] for section in known.values())
    assert set(schedule.parameters) == set(known), "each is known to its file"
    assert schedule.parameters["goals"] == "goals" and schedule.parameters["policy"] == "random"
    assert graph["simulator"].parameters["world"] == "w.sdf"
    assert [graph[f"robot_{i}"].parameters["max_steps"] for i in (1, 2)] == [23, 23]
    with_tasks = [name for name, p in graph.items() if p.parameters.get("tasks_file") == "t.yaml"]
    assert with_tasks == ["simulator", "goal_schedule", "policy", "robot_1", "robot_2"]
    assert (ROOT / "src" / schedule.package / "bin" / schedule.executable).exists()


def test_robots_that_are_to_wait_are_not_told_to_start():
    for autostart in (True, False):
        graph = cell_graph(CellOptions(robots=2, autostart=autostart))
        robots = [p for p in graph if p.role is Role.WORKER]
        assert [p.parameters["autostart"] for p in robots] == [autostart] * 2


def test_each_simulator_has_its_own_processes_and_clock():
    def clocks(**more):
        graph = cell_graph(CellOptions(robots=1, **more))
        return {p.name: p.parameters.get("use_sim_time") for p in graph}

    assert clocks()["robot_1"] is None, "in lockstep nobody looks at a clock"
    assert clocks(lockstep=False)["robot_1"] is True
    assert clocks(sim="none")["robot_1"] is None and "simulator" not in clocks(sim="none")
    assert clocks(sim="none", use_sim_time="true")["recorder"] is True
    gazebo = clocks(sim="gazebo")
    assert gazebo["robot_1"] is True and gazebo["gazebo_truth"] is True
    assert "simulator" not in gazebo
    robot = next(p for p in cell_graph(CellOptions(robots=1, sim="gazebo")) if p.name == "robot_1")
    assert robot.parameters["lockstep"] is False and robot.parameters["judge"] == "simulator"
    assert "gazebo/camera_node.yaml" in robot.parameter_files
    with pytest.raises(InputError, match="sim.*isaac"):
        CellOptions(sim="isaac")


def test_without_a_recorder_no_robot_waits_for_one():
    graph = cell_graph(CellOptions(robots=1, record=False))
    assert "recorder" not in [p.name for p in graph]
    assert graph[-1].parameters["require_recorder"] is False


def test_gazebo_needs_ros2_launch(tmp_path):
    with pytest.raises(InputError, match="ros2 launch"):
        process_specs(cell_graph(CellOptions(sim="gazebo")), tmp_path)


def test_options_survive_their_way_through_text():
    options = CellOptions(robots=2, tasks=("lift-any", "place-any"), lockstep=False, epsilon=0.1)
    assert options_from_text(options_to_text(options)) == options
    with pytest.raises(InputError, match="robots.*seven"):
        options_from_text({"robots": "seven"})


def fake_launch(monkeypatch):
    """Modules `launch` and `launch_ros` that only keep what they are given."""

    def kept(name):
        def make(*args, **kwargs):
            return types.SimpleNamespace(kind=name, **{"args": args, **kwargs})

        return make

    names = {
        "launch": ["LaunchDescription"],
        "launch.actions": [
            "DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "LogInfo", "OpaqueFunction",
            "RegisterEventHandler", "SetLaunchConfiguration", "TimerAction",
        ],
        "launch.event_handlers": ["OnProcessExit"],
        "launch.events": ["Shutdown"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
    }  # fmt: skip
    for module, members in names.items():
        fake = types.ModuleType(module)
        for member in members:
            setattr(fake, member, kept(member))
        monkeypatch.setitem(sys.modules, module, fake)
    texts = {**options_to_text(OPTIONS), "rviz": "false"}
    substitutions = types.ModuleType("launch.substitutions")
    substitutions.LaunchConfiguration = lambda name: types.SimpleNamespace(
        perform=lambda context: texts[name]
    )
    monkeypatch.setitem(sys.modules, "launch.substitutions", substitutions)
    for module in ("ros_launch_actions", "ros_rviz"):
        monkeypatch.delitem(sys.modules, f"mtopt_bringup.{module}", raising=False)


def test_the_launch_file_starts_the_same_graph(monkeypatch):
    fake_launch(monkeypatch)
    spec = importlib.util.spec_from_file_location(
        "cell_launch", share_dir() / "launch" / "cell.launch.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    arguments = [a for a in description.args[0] if a.kind == "DeclareLaunchArgument"]
    assert {a.args[0] for a in arguments} == {*options_to_text(), "rviz"}
    actions = module.start(None)
    nodes = [a for a in actions if a.kind == "Node"]
    graph = cell_graph(OPTIONS)
    assert len(nodes) == len(graph)
    for node, process in zip(nodes, graph):
        assert (node.package, node.executable) == (process.package, process.executable)
        assert node.parameters == [*map(str, process.parameter_paths()), dict(process.parameters)]
        assert node.ros_arguments == process.remappings()
    handlers = [a.args[0] for a in actions if a.kind == "RegisterEventHandler"]
    ends = {process.name: handler.on_exit for process, handler in zip(graph, handlers, strict=True)}
    ended, died = (types.SimpleNamespace(returncode=code) for code in (0, -9))
    context = types.SimpleNamespace(is_shutdown=False)
    roles = {process.name: process.role for process in graph}
    for name, on_exit in ends.items():
        (delayed,) = on_exit(died, context)
        follows = delayed.actions[-1].kind
        assert follows == ("OpaqueFunction" if roles[name] is Role.ESSENTIAL else "Node"), name
    (delayed,) = ends["robot_1"](died, context)
    own = delayed.actions[-1].parameters[-1]
    assert own == {**nodes[-1].parameters[-1], "run": "r4-r1"}, "its parameters stay its own"
    robots = [name for name, role in roles.items() if role is Role.WORKER]
    assert [ends[name](ended, context) for name in robots[:2]] == [None, None]
    assert ends[robots[2]](ended, context)[-1].kind == "EmitEvent", "the last one ends all"
    for restart in range(6):
        (delayed,) = ends["policy"](died, context)
        handler = delayed.actions[0]
        ends["policy"] = handler.args[0].on_exit if restart < 5 else None
    assert handler.kind == "OpaqueFunction", "not for ever"
