"""`mtopt benchmark collect`: scripted collection in-process, against bare physics and rendering."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much to collect."""
    parser.add_argument(
        "--episodes", type=positive_int, default=210, help="to collect (default 210)"
    )
    parser.add_argument("--robots", type=positive_int, default=7, help="stations (default 7)")
    parser.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of every random draw (default 0)"
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK", help="default: all, by the scheduler"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Collects in one process; times what MuJoCo's steps and drawing alone take of it.

    All times are processor time, so that other load on the machine does not count.

    Returns:
        `episodes_per_s_per_core`; `limit_ratio`: the time of `mj_step` and of drawing the pictures
        over the whole time, which is the rate over that of the bare steps and pictures; and what
        else the time went to.

    Raises:
        KeyboardInterrupt: Interrupted: there are no figures.
    """
    from mtopt_bringup.in_process import CollectConfig, collect

    begun: dict[str, float] = {}
    stations = []

    def mark(groups) -> None:
        """The first control period is past: everything is loaded."""
        if not begun:
            stations.extend(groups[0].stations())
            begun.update(process=time.process_time(), **_bare(stations))

    with tempfile.TemporaryDirectory() as folder:
        config = CollectConfig(
            robots=arguments.robots, episodes=arguments.episodes, out=Path(folder),
            seed=arguments.seed, tasks=tuple(arguments.tasks), processes=1,
        )  # fmt: skip
        collected = collect(config, on_tick=mark)
        if collected.interrupted:
            raise KeyboardInterrupt
        spent_s = time.process_time() - begun["process"]
    bare = {name: value - begun[name] for name, value in _bare(stations).items()}
    return {
        "episodes_per_s_per_core": collected.episodes / spent_s,
        "limit_ratio": sum(bare.values()) / spent_s,
        "control_steps_per_s_per_core": collected.control_steps / spent_s,
        "steps_per_episode": collected.control_steps / max(1, collected.episodes),
        "episodes": collected.episodes,
        "bare_s": {name: round(value, 3) for name, value in bare.items()},
        "spent_s": {name: round(value, 3) for name, value in collected.spent_s.items()},
        "total_s": round(spent_s, 3),
    }


def _bare(stations) -> dict[str, float]:
    return {
        "physics": sum(station.stepping_s for station in stations),
        "render": sum(station.drawing_s for station in stations),
    }
