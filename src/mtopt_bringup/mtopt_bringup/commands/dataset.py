"""`mtopt dataset`: the packed training cache."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from tqdm import tqdm

from mtopt_bringup.number_types import nonnegative_int
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir
from mtopt_spec.task import load_tasks

SUMMARY = "Build the training cache from bags; only bags that it does not hold yet are read."
EXAMPLE = "mtopt dataset build bags/ --out data/ --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`build`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    build = actions.add_parser(
        "build",
        help="read bags into a cache, or bring one up to date",
        description="Reads bags into a cache. After an interruption the same command goes on.",
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument(
        "bags",
        nargs="+",
        type=Path,
        metavar="BAGS",
        help="bags, or folders of; those named later count as newer, see --recent-share of train",
    )
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the cache")
    build.add_argument("--tasks", type=Path, metavar="YAML", help="default: params/tasks.yaml")
    build.add_argument(
        "--any-task",
        action="store_true",
        help="take episodes of tasks that are not in the file as of no task: to learn goals from",
    )
    build.add_argument(
        "--resize",
        nargs="+",
        metavar="CAMERA=WxH",
        help="picture sizes, such as shoulder=64x64 wrist=32x32; default: as recorded",
    )
    build.add_argument(
        "--threads", type=nonnegative_int, metavar="N", help="that decode; default: one a core"
    )
    build.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> dict:
    """Builds the cache."""
    tasks = load_tasks(arguments.tasks or share_dir() / "params" / "tasks.yaml")
    bags = find_bags(arguments.bags)
    sizes = _sizes(arguments.resize) if arguments.resize else None
    with tqdm(total=len(bags), unit="bag", disable=None) as bar:

        def progress(bag: Path, episodes: int) -> None:
            bar.update()
            bar.set_postfix_str(f"{bag.parent.name}/{bag.name}: {episodes} episodes")

        return build_dataset(
            bags,
            arguments.out,
            tasks.names,
            image_sizes=sizes,
            threads=arguments.threads,
            any_task=arguments.any_task,
            progress=progress,
        )


def _sizes(texts: list[str]) -> dict[str, tuple[int, int]]:
    """(height_px, width_px) of each camera."""
    sizes = {}
    for text in texts:
        match = re.fullmatch(r"(\w+)=([1-9]\d*)x([1-9]\d*)", text)
        if not match:
            raise InputError("--resize", where="arguments", got=text, expected="CAMERA=WxH")
        sizes[match[1]] = (int(match[3]), int(match[2]))
    return sizes
