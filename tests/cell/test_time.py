"""Sources of time: wall time, /clock in lockstep, and a /clock that begins anew."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from mtopt_bringup.cell_monitor_node import CellMonitor
from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.graph import cell_graph, robot_names
from mtopt_bringup.processes import process_specs
from mtopt_bringup.ros_cell import run_cell
from mtopt_bringup.supervisor import Role, Supervisor
from mtopt_learning.bag.find import find_bags
from mtopt_sim.simulator_node import SimulatorParameters, next_slice
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason


def options(out, **more):
    return CellOptions(
        robots=1, out=str(out), seed=3, tasks=("lift-any",), policy="random", run="t", **more
    )


def test_a_cell_on_wall_time(tmp_path, domain_id, episodes):
    began_s = time.time()
    run = run_cell(options(tmp_path, episodes=1, max_steps=5, lockstep=False, use_sim_time="false"))
    assert run.failure == "" and run.void_episodes == 0
    (episode,) = episodes(tmp_path).values()
    stamps_s = episode.stamp_ns * 1e-9
    assert began_s < stamps_s[0] and stamps_s[-1] < time.time()
    assert (np.diff(stamps_s) > 0.15).all()


def run_with_restart(options, tmp_path, domain_id):
    """A cell whose simulator is ended within an episode, once, and started again.

    Returns ids that were recorded before and after, and how often each process was started again.
    """
    folder = tmp_path / "logs"
    specs = [
        replace(spec, role=Role.SERVER) if spec.name == "simulator" else spec
        for spec in process_specs(cell_graph(options), folder)
    ]
    recorded, before = [], []
    deadline_s = time.monotonic() + 150
    with CellMonitor(robot_names(options), recorded.append, domain_id) as monitor:
        with Supervisor(specs, folder) as supervisor:
            while supervisor.poll():
                monitor.listen(0.02)
                under_way = monitor.node.begun - set(recorded)
                if not before and len(recorded) >= 3 and under_way:
                    before = list(recorded)
                    os.kill(supervisor.pid("simulator"), signal.SIGINT)
                if time.monotonic() > deadline_s:
                    logs = [file.read_text()[-1500:] for file in folder.glob("*.log")]
                    pytest.fail("\n".join(map(str, [recorded, *logs])))
            assert supervisor.failure == ""
            restarts = {spec.name: supervisor.restarts(spec.name) for spec in specs}
        monitor.until(lambda: len(recorded) >= options.episodes, 5.0)
    return before, recorded, restarts


def test_the_simulator_begins_anew_under_a_running_robot(tmp_path, domain_id, episodes):
    """In lockstep, with /clock: nodes hear of the jump by stamps and by their clock."""
    chosen = options(tmp_path, episodes=5, use_sim_time="true")
    before, recorded, restarts = run_with_restart(chosen, tmp_path, domain_id)
    assert len(before) >= 3 and restarts.pop("simulator") == 1
    assert not any(restarts.values()), "nobody else had to be started again"
    found = episodes(tmp_path)
    valid = {name: e for name, e in found.items() if e.end.reason != EndReason.FAULT}
    after = [name for name in recorded if name in valid and name not in before]
    assert set(before) <= set(valid) and len(valid) >= 5 and after, "the cell went on by itself"
    last_ns = max(valid[name].stamp_ns[-1] for name in before)
    assert valid[after[0]].stamp_ns[0] < last_ns, "its time is that of the new simulator"
    for episode in valid.values():
        assert (np.diff(episode.stamp_ns) > 0).all()
    assert len(find_bags([tmp_path])) == 2, "within a bag time goes on"


def test_free_running_time_follows_the_clock():
    assert [next_slice(100, due, 5) for due in (101, 100, 97)] == [101] * 3, "on time, or early"
    assert next_slice(100, 130, 5) == 130, "too slow: it leaps"
    assert next_slice(100, 50, 5) == 50, "the clock was set back"


def test_time_that_waits_for_robots_is_no_wall_time():
    with pytest.raises(InputError, match="wall_time"):
        SimulatorParameters(wall_time=True)
    with pytest.raises(InputError, match="real_time_factor 2"):
        SimulatorParameters(wall_time=True, lockstep=False, real_time_factor=2.0)
