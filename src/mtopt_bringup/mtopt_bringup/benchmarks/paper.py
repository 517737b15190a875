"""`mtopt benchmark paper`: MT-Opt's experiment for this cell, in stages that can be resumed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

SCALES = ("small", "medium", "full")
PARTS = ("collect", "train", "evaluate", "online", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which size, where, which part."""
    parser.add_argument(
        "--scale", choices=SCALES, default="small",
        help="on two cores half an hour; two hours; full: over 200,000 episodes",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("paper"), help="folder of everything (default paper)"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS),
        help="only these; training needs of collecting only data/, stages/ and settings.json",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, help="stop after about so long; a later call goes on"
    )
    parser.add_argument("--rows", nargs="+", help="only these rows of the tables")
    parser.add_argument("--seeds", type=int, help="trainings of each row")
    parser.add_argument(
        "--processes", type=int, default=0, help="rows side by side (default: one a core)"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Runs what is not done yet.

    Returns:
        As `Experiment.run`; the page is `<out>/mtopt.md`, its numbers are `<out>/results.json`.
    """
    from mtopt_bringup.paper.config import SCALES as sizes
    from mtopt_bringup.paper.experiment import Experiment

    given = {"arms": tuple(arguments.rows or ()), "seeds": arguments.seeds}
    config = replace(sizes[arguments.scale], **{k: v for k, v in given.items() if v})
    experiment = Experiment(arguments.out, config, arguments.minutes, arguments.processes)
    return experiment.run(arguments.parts)
