"""What the tests of the bring-up check share."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "control")]


@pytest.fixture
def changed_robot(tmp_path):
    """Makes a copy of a shipped robot with other fields."""

    def make(name: str, **fields) -> Path:
        folder = tmp_path / f"{name}_changed"
        shutil.copytree(ROOT / "params" / "robots" / name, folder)
        data = yaml.safe_load((folder / "robot.yaml").read_text())
        (folder / "robot.yaml").write_text(yaml.safe_dump({**data, **fields}))
        return folder

    return make
