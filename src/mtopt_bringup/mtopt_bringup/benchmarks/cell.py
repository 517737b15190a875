"""`mtopt benchmark cell`: how fast the ROS cell runs in lockstep, and where the time goes."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run."""
    parser.add_argument("--robots", type=positive_int, default=7, help="default 7")
    parser.add_argument("--episodes", type=positive_int, default=42, help="to record (default 42)")
    parser.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of every random draw (default 0)"
    )
    parser.add_argument("--checkpoint", type=Path, help="let this Q-function act")


def run(arguments: argparse.Namespace) -> dict:
    """Runs a cell; then the same cores in-process, to tell their time from the messages'.

    Returns:
        `control_steps_per_s` of all robots together, in wall time; `share` of the processor time
        of all processes: `physics` and `render` in the simulator, `policy` the policy's process,
        `other` what observing, arm, episode and recorder cores take in-process for as many steps,
        `transport` the rest: messages and the nodes that carry them.

    Raises:
        KeyboardInterrupt: Interrupted: there are no figures.
    """
    from mtopt_bringup.cell_options import CellOptions
    from mtopt_bringup.in_process import CollectConfig, collect
    from mtopt_bringup.policies import QFUNCTION
    from mtopt_bringup.ros_cell import run_cell

    learned = arguments.checkpoint is not None
    with tempfile.TemporaryDirectory() as folder:
        cell = run_cell(
            CellOptions(
                robots=arguments.robots, episodes=arguments.episodes, out=folder,
                seed=arguments.seed, policy=QFUNCTION if learned else "bootstrap",
                checkpoint=str(arguments.checkpoint.resolve()) if learned else "", run="benchmark",
            )
        )  # fmt: skip
        if cell.interrupted:
            raise KeyboardInterrupt
        if cell.failure:
            raise RuntimeError(cell.failure)
        cores = collect(
            CollectConfig(
                robots=arguments.robots, episodes=2 * arguments.robots, seed=arguments.seed,
                out=Path(folder) / "in_process", processes=1,
            )
        )  # fmt: skip
        if cores.interrupted:
            raise KeyboardInterrupt
    steps = cell.steady_steps
    core_s = sum(cores.spent_s[name] for name in ("arm", "observe", "record", "new_scene"))
    total_s = max(sum(cell.steady_cpu_s.values()), 1e-9)
    share = {
        "physics": cell.steady_simulator.get("physics_s", 0.0) / total_s,
        "render": cell.steady_simulator.get("render_s", 0.0) / total_s,
        "policy": cell.steady_cpu_s.get("policy", 0.0) / total_s,
        "other": steps * core_s / max(1, cores.control_steps) / total_s,
    }
    share["transport"] = max(0.0, 1.0 - sum(share.values()))
    result = cell.result()
    return {
        "control_steps_per_s": result["control_steps_per_s"],
        "share": share,
        "episodes": result["episodes"],
        "void_episodes": result["void_episodes"],
        "dropped_frames": result["dropped_frames"],
        "episodes_per_s": result["episodes_per_s"],
        "cpu_s_by_process": {k: round(v, 2) for k, v in cell.steady_cpu_s.items()},
    }
