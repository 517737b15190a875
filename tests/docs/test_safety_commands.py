"""Every command that docs/safety.md shows runs, only smaller."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLER = {"--actions": "30", "--steps": "40", "--stops": "1", "--robots": "1", "--load": "1"}


def run(arguments: list[str]) -> str:
    done = subprocess.run(
        [ROOT / "mtopt", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def commands() -> list[list[str]]:
    text = (ROOT / "docs" / "safety.md").read_text()
    return [shlex.split(line) for line in re.findall(r"^\./mtopt (.+)$", text, re.M)]


def test_the_cases_run_as_the_page_says(commands):
    command = next(c for c in commands if c[0] == "shell")
    profile = command.index("--hypothesis-profile=safety")
    assert "1 passed" in run(
        [*command[:profile], "--hypothesis-profile=fast", *command[profile + 1 :]]
    )


def test_the_benchmark_measures_latency_tracking_and_stops(commands):
    command = next(c for c in commands if c[0] == "benchmark")
    smaller = [word for pair in SMALLER.items() for word in pair]
    result = json.loads(run([*command, *smaller, "--json"]).splitlines()[-1])
    for name, count in (("latency_ms", 30), ("tracking_mm", 40), ("stop_to_hold_ms", 1)):
        assert result[name]["count"] == count
        assert 0.0 < result[name]["median"] <= result[name]["max"]
    assert result["tracking_mm"]["median"] < 2.0 and result["tracking_deg"]["median"] < 1.0
    assert result["stop_to_hold_ms"]["max"] <= result["stop_to_rest_ms"]["max"] + 200.0
    assert len(commands) == 2
