"""The test robot, and a place for nodes of one test."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cell_robot
from hypothesis import settings

# Of tests that name no number of their own: tests/control/test_safety.py.
settings.register_profile("fast", max_examples=300, deadline=None)
settings.register_profile("safety", max_examples=100_000, deadline=None)
settings.load_profile("fast")


@pytest.fixture
def robot():
    return cell_robot.ROBOT


@pytest.fixture
def arm(robot):
    from mtopt_control.arm.arm_core import ArmCore

    return ArmCore(robot, cell_robot.urdf())


class Spinner:
    """A context and executor of one test's own."""

    def __init__(self, domain_id: int):
        import rclpy
        from rclpy.context import Context

        from mtopt_spec.ros_run import EventsExecutor

        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=domain_id)
        self.executor = EventsExecutor(context=self.context)
        self.nodes = []

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def until(self, condition, deadline_s: float = 60.0):
        """Spins until the condition holds; fails the test at the deadline."""
        end_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end_s, "deadline: the condition never held"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown(timeout_sec=0)
        self.context.try_shutdown()


@pytest.fixture
def spinner(domain_id):
    spinner = Spinner(domain_id)
    try:
        yield spinner
    finally:
        spinner.close()


@pytest.fixture
def robot_file(tmp_path, robot):
    """The test robot's file and, beside it, its URDF."""
    from dataclasses import asdict

    import yaml

    urdf = tmp_path / "arm.urdf"
    urdf.write_text(cell_robot.urdf())
    text = yaml.safe_dump(_plain(asdict(robot) | {"urdf": str(urdf)}))
    path = tmp_path / "arm.yaml"
    path.write_text(text)
    return path


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
