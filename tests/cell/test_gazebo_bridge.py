"""ros_gz_bridge's configuration: every topic of every robot, under the names that Gazebo gives."""

import importlib
import re

import pytest
import yaml

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.gazebo_bridge import bridge_topics, bridge_yaml, write_bridge
from mtopt_bringup.graph import bridge_file, cell_graph, gazebo_world
from mtopt_sim.scene import object_names
from mtopt_sim.world_file import read_world, robot_names
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir
from mtopt_spec.ros_parameters import installed

# ROS and Gazebo types that ros_gz_bridge converts into each other, of its README.
PAIRS = {
    ("rosgraph_msgs/msg/Clock", "gz.msgs.Clock"),
    ("sensor_msgs/msg/JointState", "gz.msgs.Model"),
    ("sensor_msgs/msg/Image", "gz.msgs.Image"),
    ("sensor_msgs/msg/CameraInfo", "gz.msgs.CameraInfo"),
    ("trajectory_msgs/msg/JointTrajectory", "gz.msgs.JointTrajectory"),
    ("std_msgs/msg/Float64", "gz.msgs.Double"),
    ("geometry_msgs/msg/PoseStamped", "gz.msgs.Pose"),
}
KEYS = {"ros_topic_name", "gz_topic_name", "ros_type_name", "gz_type_name", "direction"}


def gazebo(robots, **more):
    return CellOptions(robots=robots, sim="gazebo", **more)


@pytest.mark.parametrize("robots", [1, 2, 7])
def test_the_file_is_as_the_bridge_reads_it(robots):
    entries = yaml.safe_load(bridge_yaml(gazebo(robots)))
    # A clock; arm, hinge, trajectory, hinge command; two cameras with calibrations; nine objects.
    assert len(entries) == 1 + robots * (2 + 2 + 4 + 9)
    for entry in entries:
        assert set(entry) == KEYS and entry["direction"] in ("GZ_TO_ROS", "ROS_TO_GZ")
        assert (entry["ros_type_name"], entry["gz_type_name"]) in PAIRS
        package, _, name = entry["ros_type_name"].split("/")
        assert hasattr(importlib.import_module(f"{package}.msg"), name)
    for side in ("ros_topic_name", "gz_topic_name"):
        names = [entry[side] for entry in entries]
        assert len(set(names)) == len(names)


def test_it_serves_the_graphs_robots_from_the_graphs_world():
    for robots in (1, 3):
        options = gazebo(robots)
        graph = cell_graph(options)
        workers = {p.name for p in graph if p.namespace}
        bridged = {topic.ros.split("/")[1] for topic in bridge_topics(options)}
        assert bridged == workers | {"clock", "gazebo"}
        container = graph[0]
        server, bridge = container.components
        assert server.parameters["world_sdf_file"] == str(gazebo_world(options))
        assert bridge.parameters["config_file"] == str(bridge_file(options))
        for process in graph[1:4]:
            assert process.parameters.get("robots", sorted(workers)) == sorted(workers)
    with pytest.raises(InputError, match="robot_2"):
        bridge_topics(gazebo(2, world="one_station.sdf"))


@pytest.mark.parametrize("file", ["one_station.sdf", "bin_cell.sdf", "cloth_cell.sdf"])
def test_gazebos_names_are_those_of_the_world(file):
    """World, models, links and sensors that a name holds are all there."""
    world = read_world(share_dir() / "worlds" / file)
    options = gazebo(len(robot_names(world.path)), world=file)
    for topic in bridge_topics(options):
        found = re.match(r"(?:/world/(\w+))?/model/(\w+)(?:/link/(\w+)/sensor/(\w+))?/", topic.gz)
        if topic.gz == "/clock":
            continue
        name, model, link, sensor = found.groups()
        assert name in (None, world.name) and model in world.models
        if link is not None:
            assert link in world.models[model].links
            assert sensor in ("shoulder", "wrist")
    # With the URDF's parser a link without mass becomes a part of what carries it; the test of
    # the parser itself is in tests/sim/test_gazebo_files.py.
    wrists = [topic.gz for topic in bridge_topics(options) if "/sensor/wrist/image" in topic.gz]
    assert all("/link/iiwa_link_7/" in name for name in wrists) and wrists
    poses = {t.gz for t in bridge_topics(options) if t.gz_type == "gz.msgs.Pose"}
    assert poses >= {f"/model/robot_1_{name}/pose" for name in object_names(world, "robot_1")}


def test_a_world_file_of_ones_own_is_known_to_all_processes(tmp_path):
    for name in ("models", "one_station.sdf"):
        (tmp_path / name).symlink_to(share_dir() / "worlds" / name)
    own = tmp_path / "lab.sdf"
    text = (tmp_path / "one_station.sdf").read_text()
    own.write_text(text.replace('<world name="one_station">', '<world name="my_lab">'))
    processes = {p.name: p for p in cell_graph(gazebo(1, world=str(own)))}
    assert processes["gazebo"].components[0].parameters["world_sdf_file"] == str(own)
    for name in ("gazebo_arm", "gazebo_truth"):
        assert installed(processes[name].parameters["world"], "worlds") == own
    assert processes["gazebo_set_pose"].arguments[0].startswith("/world/my_lab/set_pose@")


def test_it_is_written_whole_where_the_graph_looks_for_it(tmp_path):
    options = gazebo(1, out=str(tmp_path), run="r7")
    path = write_bridge(options)
    assert path == tmp_path / "logs/r7/ros_gz_bridge.yaml" and path.read_text() == bridge_yaml(
        options
    )
    assert not list(path.parent.glob("*.partial"))
