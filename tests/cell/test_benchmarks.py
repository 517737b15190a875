"""The benchmarks run, small, and say what they promise: ranges and sums, never speeds."""

import json
import subprocess
from pathlib import Path

import pytest

from mtopt_bringup import in_process, ros_cell
from mtopt_bringup.main import main

ROOT = Path(__file__).parents[2]


def benchmark(*arguments: str) -> dict:
    done = subprocess.run(
        [ROOT / "mtopt", "benchmark", *arguments, "--json"],
        capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_collect_compares_itself_with_bare_physics_and_drawing():
    result = benchmark("collect", "--episodes", "14", "--tasks", "lift-any")
    assert result["episodes"] == 14 and result["episodes_per_s_per_core"] > 0
    assert 0 < result["limit_ratio"] < 1
    assert result["limit_ratio"] == pytest.approx(
        sum(result["bare_s"].values()) / result["total_s"], abs=0.01
    )


def test_cell_says_where_the_time_goes():
    result = benchmark("cell", "--robots", "2", "--episodes", "4")
    assert set(result["share"]) == {"physics", "render", "policy", "transport", "other"}
    assert sum(result["share"].values()) == pytest.approx(1, abs=0.01)
    assert result["control_steps_per_s"] > 0 and result["dropped_frames"] == 0


@pytest.mark.parametrize(
    ("name", "interrupted"), [("cell", [True]), ("cell", [False, True]), ("collect", [True])]
)
def test_what_was_interrupted_gives_no_figures(monkeypatch, capsys, name, interrupted):
    def run(*_, **__):
        return ros_cell.CellRun(interrupted=interrupted.pop(0))

    monkeypatch.setattr(ros_cell, "run_cell", run)
    monkeypatch.setattr(in_process, "collect", run)
    assert main(["benchmark", name]) == 130
    assert not interrupted and not capsys.readouterr().out


def test_policy_asks_a_policy_node_and_counts_what_tiling_saves():
    result = benchmark("policy", "--robots", "3", "--rounds", "10")
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["speedup_over_naive"] == pytest.approx(
        result["naive_ms"] / result["policy_ms"], rel=0.01
    )


def test_bags_records_builds_and_reads():
    result = benchmark("bags", "--seconds", "5", "--robots", "2", "--megabytes", "2")
    assert result["dropped_frames"] == 0 and result["recorded_frames"] > 0
    assert result["build_s_per_gb"] > 0 and result["images_per_s"] > 0
