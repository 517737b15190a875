"""What the launch files start, how it ends, and that it is what `mtopt cell` starts."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
import yaml

from mtopt_bringup.cell_options import CellOptions, option_help, options_to_text
from mtopt_bringup.graph import cell_graph
from mtopt_bringup.processes import process_specs
from mtopt_bringup.supervisor import Role

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch"


def launch_file(name):
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def context_of(module, **chosen):
    """A launch context with a file's arguments, as launch itself would fill it."""
    from launch import LaunchContext

    context = LaunchContext()
    for argument in module.generate_launch_description().get_launch_arguments():
        words = argument.default_value or []
        context.launch_configurations[argument.name] = "".join(w.perform(context) for w in words)
    context.launch_configurations.update(chosen)
    return context


def nodes_of(actions):
    from launch_ros.actions import Node

    return [action for action in actions if isinstance(action, Node)]


class Loader(yaml.SafeLoader):
    """Reads launch_ros's own files, which call a list a tuple of Python's."""


Loader.add_constructor("tag:yaml.org,2002:python/tuple", lambda loader, node: [
    loader.construct_object(item) for item in node.value
])  # fmt: skip


def contents(files):
    return [yaml.load(Path(file).read_text(), Loader) for file in files]


def started(node, context):
    """Executable, remappings and the contents of all parameter files of a launch_ros node."""
    from launch.utilities import perform_substitutions

    node._perform_substitutions(context)
    words = [perform_substitutions(context, part) for part in node.cmd]
    files = [Path(word) for word, before in zip(words[1:], words) if before == "--params-file"]
    remaps = [word for word, before in zip(words[1:], words) if before == "-r"]
    return Path(words[0]).name, remaps, contents(files)


@pytest.mark.parametrize("more", [{}, {"lockstep": "false"}, {"sim": "none"}, {"record": "false"}])
def test_cell_launch_starts_what_mtopt_cell_starts(tmp_path, more):
    texts = {"robots": "2", "out": str(tmp_path), "tasks": "lift-any,place-any", "run": "r", **more}
    module = launch_file("cell.launch.py")
    context = context_of(module, **texts)
    from mtopt_bringup.cell_options import options_from_text

    graph = cell_graph(options_from_text({**options_to_text(), **texts}))
    specs = process_specs(graph, tmp_path / "own")
    nodes = nodes_of(module.start(context))
    assert len(nodes) == len(graph)
    for node, process, spec in zip(nodes, graph, specs):
        executable, remaps, files = started(node, context)
        argv = spec.argv
        assert executable == argv[2].rsplit(".", 1)[-1] and node.node_package == process.package
        assert remaps == [w for w, before in zip(argv[1:], argv) if before == "-r"]
        theirs = [Path(w) for w, before in zip(argv[1:], argv) if before == "--params-file"]
        assert files == contents(theirs), process.name


def test_with_gazebo_its_server_and_bridge_share_a_container(tmp_path):
    pytest.importorskip("composition_interfaces", reason="launch_ros needs it for containers")
    from launch_ros.actions import ComposableNodeContainer

    module = launch_file("cell.launch.py")
    context = context_of(module, robots="2", out=str(tmp_path), sim="gazebo", run="r")
    nodes = nodes_of(module.start(context))
    options = CellOptions(robots=2, out=str(tmp_path), sim="gazebo", run="r")
    graph = cell_graph(options)
    assert [(n.node_package, n.node_executable) for n in nodes] == [
        (p.package, p.executable) for p in graph
    ]
    assert isinstance(nodes[0], ComposableNodeContainer)
    written = yaml.safe_load((tmp_path / "logs/r/ros_gz_bridge.yaml").read_text())
    assert {entry["ros_topic_name"] for entry in written} >= {"/clock", "/robot_2/camera/image_raw"}
    assert graph[0].components[1].parameters["config_file"].endswith("r/ros_gz_bridge.yaml")


@pytest.mark.parametrize("name", ["cell", "robot", "simulator", "train_eval", "replay"])
def test_every_argument_says_what_it_is(name):
    arguments = launch_file(f"{name}.launch.py").generate_launch_description()
    found = {argument.name: argument for argument in arguments.get_launch_arguments()}
    assert all(len(argument.description) > 5 for argument in found.values())
    if name == "cell":
        assert set(found) == {*options_to_text(), "rviz"}
    own = {"train_eval": set(found), "replay": {"episodes"}}.get(name, set())
    for option in (set(found) & set(option_help())) - own:
        assert found[option].description.startswith(option_help()[option])


@pytest.mark.parametrize("moment", ["261127-120000", "261127-120001"])
def test_a_run_is_named_by_the_time_of_its_launch(monkeypatch, moment):
    monkeypatch.setattr(time, "strftime", lambda form, *_: form.replace("%y%m%d-%H%M%S", moment))
    arguments = launch_file("cell.launch.py").generate_launch_description().get_launch_arguments()
    (run,) = (argument for argument in arguments if argument.name == "run")
    assert "".join(word.text for word in run.default_value) == f"run{moment}"


def test_the_commands_of_the_pages_have_arguments_that_there_are():
    commands = re.findall(
        r"^ros2 launch mtopt_bringup (\S+)(.*)$",
        (ROOT / "docs/launch.md").read_text() + (ROOT / "docs/gazebo.md").read_text(), re.M,
    )  # fmt: skip
    assert {name for name, _ in commands} == {file.name for file in LAUNCH.glob("*.launch.py")}
    for name, arguments in commands:
        known = {
            argument.name: argument.choices
            for argument in launch_file(name).generate_launch_description().get_launch_arguments()
        }
        for key, value in (word.split(":=") for word in arguments.split()):
            assert key in known and (known[key] is None or value in known[key]), (name, key, value)


def test_rviz_gets_every_robots_description_and_place(tmp_path):
    module = launch_file("cell.launch.py")
    context = context_of(module, robots="2", out=str(tmp_path), rviz="true")
    nodes = nodes_of(module.start(context))
    executables = [node.node_executable for node in nodes]
    assert executables.count("robot_state_publisher") == 2
    assert executables.count("static_transform_publisher") == 4 and executables[-1] == "rviz2"


def test_robot_launch_starts_the_robot_of_the_cell(tmp_path):
    module = launch_file("robot.launch.py")
    context = context_of(module, robot="robot_3", run="r")
    (node,) = nodes_of(module.start(context))
    options = CellOptions(robots=3, sim="none", run="r")
    robot = next(p for p in cell_graph(options) if p.name == "robot_3")
    executable, remaps, files = started(node, context)
    assert executable == "robot_node" and remaps == robot.remappings()[1:]
    assert files[-1]["/**"]["ros__parameters"] == dict(robot.parameters)
    assert [p.role for p in cell_graph(options) if p.name == "robot_3"] == [Role.WORKER]


def test_simulator_launch_starts_the_simulator_of_the_cell(tmp_path):
    from mtopt_bringup.graph import simulator_graph

    module = launch_file("simulator.launch.py")
    context = context_of(module, robots="1", world="one_station.sdf", out=str(tmp_path))
    (node,) = nodes_of(module.start(context))
    (process,) = simulator_graph(CellOptions(robots=1, world="one_station.sdf", out=str(tmp_path)))
    executable, _, files = started(node, context)
    assert executable == process.executable
    assert files[-1]["/**"]["ros__parameters"] == dict(process.parameters)


def test_train_eval_takes_its_three_commands_in_turn():
    module = launch_file("train_eval.launch.py")
    values = {name: default for name, (default, _) in module.ARGUMENTS.items()}
    commands = module.commands({**values, "tasks": "lift-any,place-any", "out": "x"})
    assert [name for name, _ in commands] == ["dataset", "train", "eval"]
    for name, argv in commands:
        assert argv[:2] == ["mtopt", name]
        parser = argparse.ArgumentParser()
        importlib.import_module(f"mtopt_bringup.commands.{name}").add_arguments(parser)
        parsed = parser.parse_args([word for word in argv[2:] if word != "--json"])
        if name != "dataset":
            assert parsed.tasks == ["lift-any", "place-any"]


# --- really started ----------------------------------------------------------------------------


def processes(output):
    """Process ids of what a launch has started, by the name of the executable; the last ones."""
    found = re.findall(r"\[(\w+)-\d+\]: process started with pid \[(\d+)\]", output)
    return {name: int(pid) for name, pid in found}


def test_a_cell_ends_when_its_robots_are_done_and_replays_its_bag(launched, tmp_path):
    from mtopt_learning.bag.find import find_bags
    from mtopt_learning.bag.reader import BagReader

    bags = tmp_path / "bags"
    bags.mkdir()
    cell = launched("cell.launch.py", robots=1, episodes=2, out=bags, tasks="lift-any", seed=5)
    assert cell.wait(150) == 0, cell.output[-4000:]
    assert "every robot has its share" in cell.output
    episodes = []
    for bag in find_bags([bags]):
        with BagReader(bag) as reader:
            episodes += list(reader.episodes())
    assert len(episodes) == 2
    # The script that collected it says the same again: the policy acts on the bag's own bytes.
    replay = launched("replay.launch.py", bag=bags)
    assert replay.wait(90) == 0, replay.output[-4000:]
    said = json.loads(re.search(r"lift-any: (\{.*\})", replay.output).group(1))
    assert said["steps"] == sum(len(e.commanded) for e in episodes) and said["refused"] == 0
    assert said["median_distance_m"] < 1e-3 and said["same_flags"] > 0.9


def test_a_simulator_alone_runs_until_ctrl_c(launched, tmp_path):
    launch = launched("simulator.launch.py", robots=1, world="one_station.sdf", out=tmp_path)
    launch.until(lambda: "simulating 1 stations" in launch.output)
    launch.interrupt()
    assert launch.wait() == 0, launch.output[-2000:]


def test_ctrl_c_closes_the_bag_and_leaves_nobody(launched, tmp_path):
    bags = tmp_path / "bags"
    bags.mkdir()
    cell = launched("cell.launch.py", robots=1, episodes=0, out=bags, tasks="lift-any")
    cell.until(lambda: any(p.stat().st_size > 40_000 for p in bags.rglob("*.mcap")))
    cell.interrupt()
    cell.wait(60)
    assert not list(bags.rglob("*.partial")), cell.output[-4000:]
    assert list(bags.rglob("metadata.yaml")), "the last bag is closed"
    alive = [name for name, pid in processes(cell.output).items() if Path(f"/proc/{pid}").exists()]
    assert not alive


def test_a_server_that_dies_comes_back_and_an_essential_one_ends_the_cell(launched, tmp_path):
    bags = tmp_path / "bags"
    bags.mkdir()
    cell = launched("cell.launch.py", robots=1, episodes=0, out=bags, tasks="lift-any")
    cell.until(lambda: any(p.stat().st_size > 10_000 for p in bags.rglob("*.mcap")))
    first = processes(cell.output)
    os.kill(first["policy_node"], signal.SIGKILL)
    cell.until(lambda: processes(cell.output)["policy_node"] != first["policy_node"])
    os.kill(first["robot_node"], signal.SIGKILL)
    cell.until(lambda: processes(cell.output)["robot_node"] != first["robot_node"])
    os.kill(first["simulator_node"], signal.SIGKILL)
    assert cell.wait(60) == 1
    assert "simulator ended: without it there is no cell" in cell.output
    assert not list(bags.rglob("*.partial"))


def test_what_fails_again_and_again_ends_the_cell(launched, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "robot.yaml").write_text("name: wrong\n")
    robot = launched("robot.launch.py", arm=wrong)
    assert robot.wait(90) == 1
    assert "robot_1 ended after 5 restarts" in robot.output, robot.output[-4000:]
    assert "missing" in robot.output
