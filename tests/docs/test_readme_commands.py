"""Every command that the README shows runs, in its order, as a user would type it; only smaller."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLER = {
    "cell": ["--robots", "2", "--episodes", "4", "--tasks", "lift-any"],
    "collect": ["--robots", "4", "--episodes", "40", "--tasks", "lift-any", "place-any"],
    "bags view": ["--save", "episode.rrd"],
    "success train": ["--steps", "5"],
    "train": ["--steps", "10", "--tasks", "lift-any"],
    "eval": ["--episodes", "2", "--tasks", "lift-any"],
    "goals demonstrate": ["--episodes", "1"],
}
"""What is appended to a command so that it is over soon; the last of two options counts."""


def readme_commands() -> list[list[str]]:
    table = (ROOT / "README.md").read_text().split("## Use it")[1].split("##")[0]
    return [shlex.split(text) for text in re.findall(r"`\./mtopt ([^`]+)`", table)]


def smaller(command: list[str]) -> list[str]:
    for length in (2, 1):
        extra = SMALLER.get(" ".join(command[:length]))
        if extra is not None:
            return command + extra
    return command


@pytest.mark.timeout(400)
def test_the_commands_of_the_readme_run_in_its_order(tmp_path):
    commands = readme_commands()
    assert [c[0] for c in commands][:4] == ["doctor", "cell", "collect", "bags"]
    (tmp_path / "models").symlink_to(ROOT / "models")
    results = {}
    for command in commands:
        done = subprocess.run(
            [ROOT / "mtopt", *smaller(command), "--json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
        results[" ".join(command[:2])] = json.loads(done.stdout.splitlines()[-1])
    assert results["doctor"]["ok"]
    assert results["bags check"]["errors"] == []
    assert results["bags check"]["episodes"] == 44
    assert results["dataset build"]["episodes"] == 44
    assert set(results["eval --checkpoint"]["tasks"]) == {"lift-any"}
    assert (tmp_path / "report.html").stat().st_size > 50_000
