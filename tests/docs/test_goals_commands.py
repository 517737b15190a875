"""Every command that docs/goals.md shows runs, in its order; only smaller."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtopt_bringup.goalset.goal_set import TABLE
from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.main import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "goals.md"
SMALLER = {
    "demonstrate": ["--episodes", "1", "--processes", "1"],
    "collect": ["--episodes", "1", "--robots", "1", "--processes", "1"],
    "from-bags": ["--every", "2"],
    "reach": ["--processes", "1", "--robots", "1"],
    "train": ["--steps", "2", "--batch", "16"],
    "from-camera": ["--timeout", "60"],
    "send": ["--timeout", "60"],
}
"""What is appended to a command so that it is over soon; the last of two options counts."""


def commands() -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"^\./mtopt (.+)$", PAGE.read_text(), re.M)]


YOUNG = ("recorder", "stale_observation", "policy")
"""What may go wrong where some part of a young cell has not yet found the robot."""


def start(command: list[str]) -> subprocess.Popen:
    """Starts what runs until Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-m", "mtopt_bringup.main", *command], stderr=subprocess.PIPE, text=True
    )


def run(command: list[str], capsys) -> dict:
    """Runs a command; its result. A cell in which all have not yet met is asked again."""
    smaller = SMALLER.get(command[1], SMALLER.get(command[0], []))
    for _ in range(3):
        code = main([*command, *smaller, "--json"])
        captured = capsys.readouterr()
        result = json.loads(captured.out.splitlines()[-1])
        if result.get("error") not in YOUNG:
            break
    assert code == 0, (command, captured.err[-2000:])
    return result


@pytest.mark.timeout(500)
def test_the_commands_of_the_page_run_in_its_order(tmp_path, monkeypatch, capsys):
    for seed, bags in enumerate(("held_out_bags", "own_bags")):
        collect(CollectConfig(robots=1, episodes=4, seed=seed, out=tmp_path / bags, processes=1))
    for folder in ("worlds", "models"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    results, cells = [], []
    try:
        for command in commands():
            if command[0] == "cell":
                cells.append(start(command))
                continue
            results.append(run(command, capsys))
    finally:
        for cell in cells:
            cell.send_signal(signal.SIGINT)
            cell.communicate(timeout=100)
    names = [command[1] if command[0] == "goals" else command[0] for command in commands()]
    assert names == [
        "demonstrate", "demonstrate", "show", "reach", "reach", "collect", "dataset", "train",
        "from-bags", "cell", "from-camera", "send", "send",
    ]  # fmt: skip
    assert [result["world"] for result in results[:2]] == ["bin_cell.sdf", "unseen_cell.sdf"]
    by_calls, by_messages, _, _, trained, recorded, seen, *sent = results[3:]
    assert by_calls["kinds"]["grasp"]["attempts"] == 1
    for key in ("unprepared", "other_starts", "failed_by_fault", "goal_set", "mean"):
        assert by_calls[key] == by_messages[key], key
    assert trained["steps"] == 2 and recorded["counts"] == {"recorded": 2} and seen["goals"] == 1
    assert [result["error"] for result in sent] == ["none"] * 2
    assert all(result["success"] is None and result["steps"] for result in sent)
    names = ("goals.html", "goals.png", "reached/goals.html", "reached/reached.json")
    for name in (*names, "reached_ros/reached.json"):
        assert (tmp_path / name).stat().st_size > 100, name


def test_the_page_names_every_field_of_the_folder(tmp_path, monkeypatch):
    from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate

    demonstrate(DemonstrationConfig(("grasp",), goals=1, processes=1)).write(tmp_path / "goals")
    table = json.loads((tmp_path / "goals" / TABLE).read_text())
    text = PAGE.read_text()
    for name in (*table, *table["goals"][0]):
        assert f"`{name}`" in text or f"`goals[].{name}`" in text or name == "goals", name
