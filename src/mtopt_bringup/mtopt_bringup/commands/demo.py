"""`mtopt demo`: the whole way once, in stages that each leave their result on disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_float, positive_int

SUMMARY = (
    "The whole way once: scripts and the shipped model drive the ROS cell, more is collected "
    "in-process, the detector learns and the model is fine-tuned from the bags, and drives the "
    "ROS cell again."
)
EXAMPLE = "mtopt demo --out demo --minutes 14"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, how much."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder of everything (default demo)"
    )
    parser.add_argument(
        "--minutes", type=positive_float, default=14.0,
        help="the whole may take about so long (default 14)",
    )  # fmt: skip
    parser.add_argument(
        "--robots", type=positive_int, default=7, help="of the ROS cell (default 7)"
    )
    parser.add_argument(
        "--cell-episodes", type=positive_int, default=56,
        help="of each of the ROS runs that are compared (default 56)",
    )  # fmt: skip
    parser.add_argument(
        "--collect-episodes", type=positive_int, default=5000,
        help="scripted, in-process, at most (default 5000)",
    )  # fmt: skip
    parser.add_argument(
        "--tasks", nargs="+", default=["lift-any"], metavar="TASK",
        help="to collect and learn, easiest first (default lift-any)",
    )  # fmt: skip
    parser.add_argument(
        "--from-scratch", action="store_true", help="leave the shipped model out: learn it all"
    )
    parser.add_argument(
        "--seed", type=nonnegative_int, default=0, help="of every random draw (default 0)"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Runs the stages that are not done yet; a second call after the end only prints."""
    from mtopt_bringup.demonstration import Demonstration, DemonstrationConfig
    from mtopt_spec.errors import InputError

    if arguments.collect_episodes < 100:
        raise InputError(
            "--collect-episodes", where="arguments", got=arguments.collect_episodes,
            expected="at least 100",
        )  # fmt: skip
    config = DemonstrationConfig(
        minutes=arguments.minutes, robots=arguments.robots,
        cell_episodes=arguments.cell_episodes, collect_episodes=arguments.collect_episodes,
        tasks=tuple(arguments.tasks), shipped=not arguments.from_scratch, seed=arguments.seed,
    )  # fmt: skip
    return Demonstration(arguments.out, config).run()


def text(result: dict) -> str:
    """Who lifted how often, and where the report is."""
    from mtopt_bringup.demonstration import comparison_table

    return f"\n{comparison_table(result)}\n\nreport: {result['report']}\n"
