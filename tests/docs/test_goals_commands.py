"""Every command that docs/goals.md shows runs, in its order; only smaller."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mtopt_bringup.goalset.goal_set import TABLE
from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.main import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "goals.md"
SMALLER = {
    "demonstrate": ["--episodes", "1", "--processes", "1"],
    "from-bags": ["--every", "2"],
    "reach": ["--processes", "1"],
    "show": [],
}
"""What is appended to a command so that it is over soon; the last of two options counts."""


def commands() -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"^\./mtopt (.+)$", PAGE.read_text(), re.M)]


@pytest.mark.timeout(200)
def test_the_commands_of_the_page_run_in_its_order(tmp_path, monkeypatch, capsys):
    collect(CollectConfig(robots=1, episodes=4, out=tmp_path / "held_out_bags", processes=1))
    (tmp_path / "worlds").symlink_to(ROOT / "worlds")
    monkeypatch.chdir(tmp_path)
    results = []
    for command in commands():
        assert command[0] == "goals"
        code = main([*command, *SMALLER[command[1]], "--json"])
        results.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
        assert code == 0, command
    assert [command[1] for command in commands()] == [
        "demonstrate", "demonstrate", "show", "reach", "from-bags",
    ]  # fmt: skip
    assert [result["world"] for result in results[:2]] == ["bin_cell.sdf", "unseen_cell.sdf"]
    assert results[3]["kinds"]["grasp"]["attempts"] == 1 and results[4]["counts"] == {"recorded": 2}
    for name in ("goals.html", "goals.png", "reached/goals.html", "reached/reached.json"):
        assert (tmp_path / name).stat().st_size > 100, name


def test_the_page_names_every_field_of_the_folder(tmp_path, monkeypatch):
    from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate

    demonstrate(DemonstrationConfig(("grasp",), goals=1, processes=1)).write(tmp_path / "goals")
    table = json.loads((tmp_path / "goals" / TABLE).read_text())
    text = PAGE.read_text()
    for name in (*table, *table["goals"][0]):
        assert f"`{name}`" in text or f"`goals[].{name}`" in text or name == "goals", name
