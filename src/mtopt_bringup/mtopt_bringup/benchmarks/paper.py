"""`mtopt benchmark paper`: MT-Opt's experiment for this cell, in stages that can be resumed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.number_types import nonnegative_int, positive_float, positive_int

SCALES = ("small", "medium", "full")
PARTS = ("collect", "train", "evaluate", "online", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which size, where, which part."""
    parser.add_argument(
        "--scale", choices=SCALES, default="small",
        help="small: under half an hour on two cores; medium: three hours; full: over 200,000 "
             "episodes",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("paper"), help="folder of everything (default paper)"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS),
        help="only these; training needs of collecting only data/, stages/ and settings.json",
    )  # fmt: skip
    add_run_arguments(parser, "PaperConfig")


def run(arguments: argparse.Namespace) -> dict:
    """Runs what is not done yet.

    Returns:
        As `Experiment.run`; the page is `<out>/mtopt.md`, its numbers are `<out>/results.json`.
    """
    from mtopt_bringup.paper.experiment import Experiment

    experiment = Experiment(
        arguments.out, configuration(arguments), arguments.minutes, arguments.processes
    )
    return experiment.run(arguments.parts)


def configuration(arguments: argparse.Namespace):
    """The scale's sizes with what the command line changes (`InputError` for what cannot be)."""
    from mtopt_bringup.paper.config import SCALES as sizes

    config = with_sizes(sizes[arguments.scale], arguments.sizes)
    given = {"arms": tuple(arguments.rows or ()), "seeds": arguments.seeds}
    return replace(config, **{name: value for name, value in given.items() if value is not None})


def add_run_arguments(parser: argparse.ArgumentParser, sizes: str) -> None:
    """What experiments of rows have in common; `sizes` names the dataclass of `--set`."""
    parser.add_argument(
        "--minutes", type=positive_float, help="stop after about so long; a later call goes on"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", dest="sizes",
        help=f"other sizes than the scale's, by the names in {sizes}: steps=2000 robots=3",
    )  # fmt: skip
    parser.add_argument("--rows", nargs="+", help="only these rows of the tables")
    parser.add_argument("--seeds", type=positive_int, help="trainings of each row")
    parser.add_argument(
        "--processes",
        type=nonnegative_int,
        default=0,
        help="rows side by side (default: one a core)",
    )


def with_sizes(config, texts: Sequence[str]):
    """The configuration with `NAME=VALUE` texts; values are read as YAML."""
    import yaml

    from mtopt_learning.checkpoint.configuration import from_plain, to_plain
    from mtopt_learning.train.settings_file import merged
    from mtopt_spec.errors import InputError

    plain = to_plain(config)
    for text in texts:
        name, _, value = text.partition("=")
        try:
            plain = merged(plain, {name: yaml.safe_load(value)})
        except yaml.YAMLError as error:
            raise InputError(name, where="--set", got=repr(value), expected="YAML") from error
    return from_plain(type(config), plain, "--set")
