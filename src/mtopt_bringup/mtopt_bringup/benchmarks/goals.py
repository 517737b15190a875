"""`mtopt benchmark goals`: Actionable Models' experiment for this cell, in stages."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.benchmarks.paper import add_run_arguments, with_sizes

SCALES = ("small", "medium", "full")
PARTS = ("goals", "collect", "train", "evaluate", "downstream", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which data, which size, where, which part."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--base", type=Path,
        help="folder that `mtopt benchmark paper --out` made: its data set, with that of on-policy "
             "rounds where there are some",
    )  # fmt: skip
    data.add_argument("--data", type=Path, help="or any that `mtopt dataset build` wrote")
    parser.add_argument(
        "--scale", choices=SCALES, default="small",
        help="for the data set of an experiment of the same scale (default small)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("goals"), help="folder of everything (default goals)"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="only these")
    add_run_arguments(parser, "GoalsConfig")


def run(arguments: argparse.Namespace) -> dict:
    """Runs what is not done yet.

    Returns:
        As `GoalsExperiment.run`; the page is `<out>/goals.md`, its numbers are
        `<out>/results.json`.
    """
    from mtopt_bringup.actionable.data import data_of_base
    from mtopt_bringup.actionable.experiment import GoalsExperiment

    data = arguments.data or data_of_base(arguments.base)
    experiment = GoalsExperiment(
        data, arguments.out, configuration(arguments), arguments.minutes, arguments.processes
    )
    return experiment.run(arguments.parts)


def configuration(arguments: argparse.Namespace):
    """The scale's sizes with what the command line changes (`InputError` for what cannot be)."""
    from mtopt_bringup.actionable.config import SCALES as sizes

    config = with_sizes(sizes[arguments.scale], arguments.sizes)
    given = {"rows": tuple(arguments.rows or ()) or None, "seeds": arguments.seeds}
    return replace(config, **{name: value for name, value in given.items() if value is not None})
