"""`mtopt goals send` and `from-camera` beside a running cell, as on hardware."""

import signal

import pytest

from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate
from mtopt_spec.goal import REACH_GOAL

YOUNG = ("recorder", "stale_observation", "policy")
"""What may go wrong where some part of a young cell has not yet found the robot."""


@pytest.fixture
def cell(started, tmp_path, domain_id):
    """A cell of one robot that waits for goals; its bags are below `tmp_path`."""
    process = started("cell", "--robots", 1, "--out", tmp_path / "bags", "--on-request", "--json")
    yield process
    process.kill()


@pytest.mark.timeout(600)
def test_one_goal_after_the_other_is_sent_to_a_running_cell(cell, mtopt, episodes, tmp_path):
    folder, seen = tmp_path / "goals", tmp_path / "seen"
    demonstrate(DemonstrationConfig(("grasp",), goals=1, seed=7, processes=1)).write(folder)

    def send(goals, *more):
        for _ in range(3):
            told = mtopt("goals", "send", goals, "--policy", "random", "--timeout", 120, *more)
            if told.get("error") not in YOUNG:
                break
        assert told["exit_code"] == 0, told["stderr"][-2000:]
        return told

    judged = send(folder, "--number", 0, "--seed", 5)
    assert judged["error"] == "none" and judged["success_source"] == "simulator"
    assert judged["success"] is False and 1 <= judged["steps"] <= 30
    assert judged["stderr"].count("step ") >= judged["steps"] and "not reached" in judged["stderr"]

    taken = mtopt("goals", "from-camera", "--robot", "robot_1", "--out", seen, "--timeout", 60)
    assert taken["exit_code"] == 0, taken["stderr"][-2000:]
    unjudged = send(seen)
    assert unjudged["success"] is None and unjudged["success_source"] == "none"
    assert "nobody judged" in unjudged["stderr"]

    nobody = mtopt("goals", "send", folder, "--robot", "robot_9", "--timeout", 1)
    assert nobody["exit_code"] == 2 and "/robot_9/reach_goal" in nobody["stderr"]
    beyond = mtopt("goals", "send", folder, "--number", 1)
    assert beyond["exit_code"] == 2 and "expected 0 to 0" in beyond["stderr"]
    refused = mtopt("goals", "send", folder, "--policy", "juggler", "--timeout", 60)
    assert refused["exit_code"] == 1 and refused["error"] == "policy"

    cell.send_signal(signal.SIGINT)
    cell.communicate(timeout=120)
    recorded = {name: e for name, e in episodes(tmp_path / "bags").items() if not e.void}
    assert {judged["episode_id"], unjudged["episode_id"]} <= recorded.keys()
    first = recorded[judged["episode_id"]]
    assert first.begin.task == REACH_GOAL and first.begin.seed == 5
