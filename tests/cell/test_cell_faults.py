"""A cell in trouble: killed robots, two simulators, Ctrl-C, free-running time."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.ros_cell import run_cell
from mtopt_msgs.msg import ActionCommanded


def wait_for(condition, deadline_s=180.0):
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "deadline"
        time.sleep(0.05)


@pytest.fixture
def steps_of_robot_2(domain_id):
    """Called: takes what has come; gives (episode, step) of robot_2's last command, or None."""
    context = Context()
    context.init(domain_id=domain_id)
    node = Node("probe", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    last = []
    node.create_subscription(
        ActionCommanded, "/robot_2/action/commanded",
        lambda m: last.append((m.episode_id, m.step_index)), 100,
    )  # fmt: skip

    def take():
        for _ in range(100):
            executor.spin_once(timeout_sec=0)
        return last[-1] if last else None

    yield take
    executor.shutdown(timeout_sec=0)
    node.destroy_node()
    context.try_shutdown()


def test_a_robot_killed_in_an_episode_rejoins_and_the_others_go_on(
    tmp_path, steps_of_robot_2, episodes
):
    recorded, killed = [], []
    options = CellOptions(
        robots=2, episodes=8, out=str(tmp_path), seed=3, tasks=("lift-any",), run="s3",
        lockstep_timeout_s=2.0,
    )  # fmt: skip

    def kill_once(supervisor):
        step = steps_of_robot_2()
        if not killed and any("robot_2" in n for n in recorded) and step and step[1] >= 2:
            killed.append(step[0])
            os.kill(supervisor.pid("robot_2"), signal.SIGKILL)

    run = run_cell(options, recorded.append, kill_once)
    assert killed and run.failure == ""
    assert run.counted.episodes == 8, "the run has its episodes"
    assert run.void_episodes == 1, "the one that was cut off is void"
    names = list(episodes(tmp_path))
    assert killed[0] not in names
    assert [n for n in names if n.startswith("s3-r1-robot_2-")], "it came back under a new name"
    assert len([n for n in names if "robot_1" in n]) == 4, "the other one had its share"


def test_a_second_simulator_on_a_domain_is_refused_and_the_first_goes_on(domain_id):
    argv = [sys.executable, "-m", "mtopt_sim.simulator_node", "--ros-args", "-p", "robots:=1"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as first:
        try:
            assert any("simulating 1 stations" in line for line in first.stderr)
            second = subprocess.run(argv, capture_output=True, text=True, timeout=180)
            if second.returncode != 1:
                pytest.fail(f"exit code {second.returncode}: {second.stderr}")
            assert "another ROS_DOMAIN_ID" in second.stderr + second.stdout
            assert first.poll() is None
        finally:
            first.send_signal(signal.SIGINT)
        assert first.wait(20) == 0


def test_ctrl_c_closes_the_bags_and_leaves_nobody_behind(tmp_path, domain_id, started, episodes):
    cell = started("cell", "--robots", 1, "--episodes", 500, "--out", tmp_path, "--json")
    try:
        wait_for(lambda: any(f.stat().st_size > 20_000 for f in tmp_path.rglob("*.mcap")))
        children = psutil.Process(cell.pid).children(recursive=True)
        assert len(children) >= 5
        cell.send_signal(signal.SIGINT)
        cell.communicate(timeout=120)
    finally:
        cell.kill()
    assert cell.returncode == 130
    assert not [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
    assert not list(tmp_path.rglob("*.partial"))
    assert episodes(tmp_path)


def test_free_running_time_records_episodes(tmp_path, domain_id, mtopt, episodes):
    result = mtopt(
        "cell", "--robots", 1, "--episodes", 2, "--out", tmp_path,
        "--real-time-factor", 1, "--tasks", "lift-any",
    )  # fmt: skip
    assert result["exit_code"] == 0, result["stderr"][-2000:]
    assert result["episodes"] == 2
    stamps = [e.stamp_ns for e in episodes(tmp_path).values()]
    assert all((s[1:] > s[:-1]).all() for s in stamps)
