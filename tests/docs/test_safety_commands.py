"""Every command that docs/safety.md and docs/results/arm.md show runs, only smaller."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLER = {"--actions": "30", "--steps": "40", "--stops": "1", "--robots": "1"}


def run(arguments: list[str]) -> str:
    done = subprocess.run(
        [ROOT / "mtopt", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def commands(page: str) -> list[str]:
    return re.findall(r"^\./mtopt (.+)$", (ROOT / "docs" / page).read_text(), re.M)


CASES, BENCHMARK = commands("safety.md")
BENCHMARKS = sorted({BENCHMARK, *commands("results/arm.md")})


def test_the_cases_run_as_the_page_says():
    command = shlex.split(CASES)
    profile = command.index("--hypothesis-profile=safety")
    assert "1 passed" in run(
        [*command[:profile], "--hypothesis-profile=fast", *command[profile + 1 :]]
    )


@pytest.mark.parametrize("command", BENCHMARKS)
def test_the_benchmark_measures_latency_tracking_and_stops(command):
    smaller = [word for pair in SMALLER.items() for word in pair]
    result = json.loads(run([*shlex.split(command), *smaller, "--json"]).splitlines()[-1])
    for name, count in (("latency_ms", 30), ("tracking_mm", 40), ("stop_to_hold_ms", 1)):
        assert result[name]["count"] == count
        assert 0.0 < result[name]["median"] <= result[name]["max"]
    assert result["tracking_mm"]["median"] < 2.0 and result["tracking_deg"]["median"] < 1.0
    assert result["stop_to_hold_ms"]["max"] <= result["stop_to_rest_ms"]["max"] + 200.0
    assert result["load"] == (0 if "--load 0" in command else 2)
