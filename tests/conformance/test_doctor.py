"""The suite as a command against the real simulator; its way to Gazebo as far as it goes."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial

import pytest
import yaml

from mtopt_bringup.conformance import motion, ros_scene, streams, suite
from mtopt_bringup.conformance.backend import GAZEBO, MUJOCO, Backend, running
from mtopt_bringup.conformance.check import as_result, run_checks
from mtopt_bringup.conformance.client_node import Client
from mtopt_bringup.gazebo_bridge import bridge_yaml
from mtopt_bringup.graph import simulator_graph
from mtopt_sim import gazebo_topics
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot, worlds_robot_folder

NEEDS_SIMULATOR = {
    "topics", "services", "rates", "stamps", "frames", "units", "pictures", "calibration", "seen",
    "tracking", "new scene", "refusals", "bin reset", "labels", "determinism",
}  # fmt: skip


@pytest.mark.timeout(240)
def test_mujoco_conforms(domain_id):
    done = subprocess.run(
        [sys.executable, "-m", "mtopt_bringup.main", "doctor", "--backend", "mujoco", "--json"],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    result = json.loads(done.stdout.splitlines()[-1])
    failed = [check for check in result["checks"] if not check["ok"]]
    assert done.returncode == 0 and result["ok"] and not failed, done.stderr
    names = {check["name"] for check in result["checks"]}
    worlds = {f"mechanism of {path.stem}" for path in share_dir().glob("worlds/*.sdf")}
    assert names >= NEEDS_SIMULATOR | worlds and len(worlds) >= 5
    details = {check["name"]: check["detail"] for check in result["checks"]}
    assert details["determinism"] == "two runs, equal to the bit"


class FreeRunning(Backend):
    """MuJoCo where time waits for nobody, asked what Gazebo is asked."""

    def options(self, out):
        return replace(super().options(out), real_time_factor=5.0)


def test_the_suite_goes_by_a_time_that_waits_for_nobody(domain_id, tmp_path):
    backend = FreeRunning(**{**asdict(GAZEBO), "name": "mujoco"})
    world = share_dir() / "worlds" / backend.options("").world
    robot = load_robot(worlds_robot_folder())
    with running(backend, tmp_path, {"ROS_DOMAIN_ID": str(domain_id)}) as failure:
        with Client(backend, robot, world, domain_id, failure) as client:
            client.begin()
            checks = [streams.check_rates, motion.check_tracking, ros_scene.check_new_scene,
                      streams.check_stamps]  # fmt: skip
            findings = run_checks([(c.__name__, partial(c, client)) for c in checks], print)
    assert [f.detail for f in findings if not f.ok] == []
    assert "/clock" in findings[-1].detail


def test_without_gazebo_it_says_what_is_missing_and_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(suite, "world_files", lambda: ())
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = suite.check_backend(GAZEBO, lambda finding: None)
    assert [finding.name for finding in findings] == ["installed"], "nothing is started"
    assert as_result(findings)["exit_code"] == 1
    for word in ("no gz (apt install gz-harmonic)", "no ros2", "expected all installed"):
        assert word in findings[0].detail


def test_gazebo_is_started_by_the_launch_file_of_the_same_graph(tmp_path):
    (process,) = GAZEBO.processes(tmp_path)
    assert process.argv[:2] == ("ros2", "launch")
    path, chosen = process.argv[2], dict(a.split(":=") for a in process.argv[3:])
    assert path == str(share_dir() / "launch/simulator.launch.py")
    if importlib.util.find_spec("launch_ros") is not None:
        spec = importlib.util.spec_from_file_location("simulator_launch", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert set(chosen) <= set(module.OPTIONS)
    assert chosen["sim"] == "gazebo" and chosen["out"] == str(tmp_path)
    names = [node.name for node in simulator_graph(GAZEBO.options(str(tmp_path)))]
    assert names == ["gazebo", "gazebo_set_pose", "gazebo_arm", "gazebo_truth"]
    assert [process.name for process in MUJOCO.processes(tmp_path)] == ["simulator"]


def test_what_the_suite_hears_is_what_the_bridge_and_our_nodes_say(domain_id, tmp_path):
    """The bridge's file and the nodes around it have every topic of the suite's client."""
    from rclpy.context import Context

    from mtopt_bringup.conformance.client_node import ClientNode

    context = Context()
    context.init(domain_id=domain_id)
    node = ClientNode("robot_1", context=context)
    try:
        of_node = (node.get_name(), node.get_namespace())
        heard = dict(node.get_subscriber_names_and_types_by_node(*of_node))
        said = dict(node.get_publisher_names_and_types_by_node(*of_node))
    finally:
        node.destroy_node()
        context.try_shutdown()
    entries = yaml.safe_load(bridge_yaml(GAZEBO.options(str(tmp_path))))
    to_ros = {e["ros_topic_name"]: e["ros_type_name"] for e in entries
              if e["direction"] == "GZ_TO_ROS"}  # fmt: skip
    to_gz = {e["ros_topic_name"]: e["ros_type_name"] for e in entries
             if e["direction"] == "ROS_TO_GZ"}  # fmt: skip
    ours = {"/robot_1/joint_states", "/truth/robot_1/scene"}
    assert gazebo_topics.arm_joint_states("robot_1") in to_ros, "what joint_states is made of"
    for topic, kinds in heard.items():
        if topic not in ours:
            assert [to_ros.get(topic)] == kinds, topic
    assert [to_gz["/robot_1/bin/hinge_position_command"]] == said[
        "/robot_1/bin/hinge_position_command"
    ]
    assert gazebo_topics.dense_trajectory("robot_1") in to_gz
