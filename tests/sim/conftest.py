"""One station for all tests of the simulator; each test resets it to a scene of its own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def worlds(root) -> Path:
    return root / "worlds"


@pytest.fixture(scope="session")
def station(root, worlds):
    from mtopt_sim.station import Station

    return Station(
        worlds / "bin_cell.sdf",
        params=root / "params/sim.yaml",
        robot_file=root / "params/robots/iiwa14/robot.yaml",
    )


@pytest.fixture(scope="session")
def robot(root):
    from mtopt_spec.robot import load_robot

    return load_robot(root / "params/robots/iiwa14/robot.yaml")
