"""`mtopt report`: one HTML page about data, training and evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int

SUMMARY = "Write one self-contained HTML page about data, training and evaluation."
EXAMPLE = "mtopt report --dataset data/ --run run/ --eval eval.json --out report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What goes on the page; whatever is left out, its section says so."""
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="from `mtopt dataset build`")
    parser.add_argument("--run", type=Path, metavar="DIR", help="from `mtopt train`")
    parser.add_argument("--detector", type=Path, metavar="DIR", help="from `mtopt success train`")
    parser.add_argument(
        "--eval", type=Path, nargs="+", action="extend", default=[], metavar="FILE.json",
        help="what `mtopt eval --json` printed; several are compared",
    )  # fmt: skip
    parser.add_argument(
        "--cell", type=Path, nargs="+", action="extend", default=[], metavar="FILE.json",
        help="what `mtopt cell --json` or `mtopt collect --json` printed",
    )  # fmt: skip
    parser.add_argument("--title", default="mtopt report", help="heading of the page")
    parser.add_argument(
        "--strips", type=nonnegative_int, default=3,
        help="episodes of each outcome and task (default 3)",
    )  # fmt: skip
    parser.add_argument(
        "--stories", type=nonnegative_int, default=4,
        help="episodes drawn with their Q-values (default 4)",
    )  # fmt: skip
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="which episodes are shown")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE.html")


def run(arguments: argparse.Namespace) -> dict:
    """Writes the page; returns its path, size and sections."""
    from mtopt_learning.report.page import ReportInputs, build_report

    return build_report(
        ReportInputs(
            dataset=arguments.dataset,
            run=arguments.run,
            detector=arguments.detector,
            evaluations=arguments.eval,
            cells=arguments.cell,
            title=arguments.title,
            strips=arguments.strips,
            stories=arguments.stories,
            seed=arguments.seed,
        ),
        arguments.out,
    )
