"""Runs the node graph as supervised processes until its robots have their episodes."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mtopt_bringup.bag_results import BagResults, closed_bags, count_run
from mtopt_bringup.cell_monitor_node import CellMonitor
from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.domain import domain_environment
from mtopt_bringup.graph import cell_graph, robot_names
from mtopt_bringup.processes import process_specs
from mtopt_bringup.supervisor import Supervisor

_LOG = logging.getLogger("mtopt.cell")


@dataclass
class CellRun:
    """What a cell did.

    Attributes:
        counted: What is in the bags.
        void_episodes: That a fault ended, a death cut off or the recorder refused.
        simulator: The simulator's last figures.
        cpu_s: CPU time by process, as far as it could be read.
        wall_s: From the first control step to the last.
        control_steps: That stations were advanced.
        steady_cpu_s, steady_simulator: CPU time and simulator's figures since the first control
            step, without the processes' start.
        failure: Why it ended early; '' where it did not.
        interrupted: By Ctrl-C.
    """

    counted: BagResults = field(default_factory=BagResults)
    void_episodes: int = 0
    simulator: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    steady_cpu_s: dict[str, float] = field(default_factory=dict)
    steady_simulator: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    control_steps: int = 0
    failure: str = ""
    interrupted: bool = False

    @property
    def steady_steps(self) -> float:
        """Control steps that `steady_cpu_s` was spent on."""
        return self.steady_simulator.get("control_steps", 0.0)

    def result(self) -> dict:
        """The object that `mtopt cell --json` prints; a rate is NaN before the first step."""
        wall_s = self.wall_s or math.nan
        result = {
            "episodes": self.counted.episodes,
            "void_episodes": self.void_episodes,
            "dropped_frames": self.counted.dropped_frames,
            "control_steps_per_s": self.control_steps / wall_s,
            "episodes_per_s": self.counted.episodes / wall_s,
            "tasks": {
                name: {"attempts": attempts, "successes": successes}
                for name, (attempts, successes) in sorted(self.counted.tasks.items())
            },
        }
        if self.failure:
            result.update(failure=self.failure, exit_code=1)
        elif self.interrupted:
            result["exit_code"] = 130
        return result


def run_cell(
    options: CellOptions,
    on_recorded: Callable[[str], None] = lambda episode_id: None,
    while_running: Callable[[Supervisor], None] = lambda supervisor: None,
) -> CellRun:
    """Starts the graph, waits until all robots are done, ends it in order.

    Args:
        options: Of the cell; `out` is an existing folder, `run` a fresh name.
        on_recorded: Called with an episode's id when it is on disk.
        while_running: Called several times a second with the processes.

    Returns:
        What it did; Ctrl-C ends it in the same order, with `interrupted` set.
    """
    out = Path(options.out)
    before = closed_bags(out)
    folder = options.run_folder
    environment = domain_environment()
    os.environ.update(environment)
    run, start = CellRun(), None
    specs = process_specs(cell_graph(options), folder / "params")
    domain_id = int(environment["ROS_DOMAIN_ID"])
    _LOG.info("domain %d, logs in %s", domain_id, folder)
    with CellMonitor(robot_names(options), on_recorded, domain_id) as monitor:
        try:
            with Supervisor(specs, folder, environment) as supervisor:
                read_s = 0.0
                while supervisor.poll():
                    monitor.listen(0.05)
                    while_running(supervisor)
                    if time.monotonic() - read_s > 0.5:
                        read_s = time.monotonic()
                        _read_cpu(supervisor, [spec.name for spec in specs], run.cpu_s)
                    figures = _numbers(monitor.node.simulator)
                    if start is None and figures.get("control_steps", 0.0) > 0:
                        _read_cpu(supervisor, [spec.name for spec in specs], run.cpu_s)
                        start = (dict(run.cpu_s), figures)
                deadline_s = time.monotonic() + 1.2  # the simulator's last figures
                while time.monotonic() < deadline_s and not supervisor.failure:
                    monitor.listen(0.05)
                _read_cpu(supervisor, [spec.name for spec in specs], run.cpu_s)
                run.failure = supervisor.failure
        except KeyboardInterrupt:
            _LOG.warning("interrupted: the cell is stopped, the bags are closed")
            run.interrupted = True
        run.simulator = _numbers(monitor.node.simulator)
        if start is not None:
            run.steady_cpu_s = _since(start[0], run.cpu_s)
            run.steady_simulator = _since(start[1], run.simulator)
        begun = monitor.node.begun
    run.counted = count_run(out, options.run, before)
    run.void_episodes = len((begun | run.counted.void) - run.counted.complete)
    if not run.failure and not run.interrupted and run.counted.episodes < options.episodes:
        run.failure = f"{run.counted.episodes} of {options.episodes} episodes; see {folder}"
    if run.failure:
        _LOG.error("the cell ended early: %s", run.failure)
    run.control_steps = int(run.simulator.get("control_steps", 0))
    run.wall_s = run.simulator.get("wall_s", 0.0)
    return run


def _since(start: dict[str, float], end: dict[str, float]) -> dict[str, float]:
    return {name: value - start.get(name, 0.0) for name, value in end.items()}


def _numbers(texts: dict[str, str]) -> dict[str, float]:
    numbers = {}
    for name, text in texts.items():
        try:
            numbers[name] = float(text)
        except ValueError:
            continue
    return numbers


def _read_cpu(supervisor: Supervisor, names: list[str], cpu_s: dict[str, float]) -> None:
    """Updates each process's CPU time; one that has ended keeps its last."""
    for name in names:
        pid = supervisor.pid(name)
        if pid is not None:
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            cpu_s[name] = times.user + times.system
