"""The launch files under the real launch and launch_ros, where a machine has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LAUNCH = HERE.parents[1] / "launch"

REASON = "launch and launch_ros are no PyPI packages; see docs/launch.md for how to have them"


def pytest_collection_modifyitems(items):
    try:
        import launch_ros.actions  # noqa: F401
    except ImportError:
        for item in items:
            if HERE in Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason=REASON))


class Launched:
    """A launch file in a process; its output in a file."""

    def __init__(self, log: Path, name: str, **arguments: object):
        self._log = log
        texts = [f"{key}:={value}" for key, value in arguments.items()]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "run_launch.py"), str(LAUNCH / name), *texts],
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "ROS_LOG_DIR": str(log.parent / "ros_log")},
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def until(self, condition, deadline_s: float = 90.0) -> None:
        end_s = time.monotonic() + deadline_s
        while not condition():
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < end_s, f"deadline; output:\n{self.output[-4000:]}"
            time.sleep(0.1)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, deadline_s: float = 120.0) -> int:
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end in {deadline_s} s:\n{self.output[-4000:]}")

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


@pytest.fixture
def launched(tmp_path, domain_id):
    """Starts launch files in a domain of the test's own; ends what is left."""
    started = []

    def start(name: str, **arguments: object) -> Launched:
        started.append(Launched(tmp_path / f"launch_{len(started)}.log", name, **arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()
