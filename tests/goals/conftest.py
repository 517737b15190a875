"""A few goals of each kind, shown once for all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate
from mtopt_bringup.goalset.goal_set import GoalSet


def run_mtopt(*arguments: object) -> dict:
    """Runs an `mtopt` command; its JSON object, and `exit_code`, `stderr`."""
    done = subprocess.run(
        [sys.executable, "-m", "mtopt_bringup.main", *map(str, arguments), "--json"],
        capture_output=True, text=True, env=dict(os.environ), timeout=160,
    )  # fmt: skip
    result = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
    return {**result, "exit_code": done.returncode, "stderr": done.stderr}


@pytest.fixture(scope="session")
def mtopt():
    """Runs an `mtopt` command."""
    return run_mtopt


@pytest.fixture(scope="session")
def shown() -> GoalSet:
    """Three goals of each kind."""
    return demonstrate(DemonstrationConfig(goals=3, seed=7, processes=1))


@pytest.fixture
def folder(shown: GoalSet, tmp_path: Path) -> Path:
    """The same goals on disk."""
    shown.write(tmp_path / "goals")
    return tmp_path / "goals"
