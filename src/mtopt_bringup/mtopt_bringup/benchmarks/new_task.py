"""`mtopt benchmark new-task`: new tasks on top of what `mtopt benchmark paper` learned."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtopt_bringup.number_types import positive_float
from mtopt_spec.resources import share_dir

SCALES = ("small", "medium", "full")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to build on, which tasks, which size."""
    parser.add_argument(
        "--base", type=Path, required=True,
        help="folder that `mtopt benchmark paper --out` made; it is only read",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("new-task"), help="folder of everything (default new-task)"
    )
    parser.add_argument(
        "--scale", choices=SCALES, default="small",
        help="rounds, gradient steps and episodes of evaluation, for a base of the same scale",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=positive_float, help="stop after about so long; a later call goes on"
    )
    parser.add_argument(
        "--tasks-file", type=Path, metavar="YAML",
        help="the base's tasks and the new ones behind them (default: tasks_cloth.yaml)",
    )  # fmt: skip
    parser.add_argument(
        "--world", type=Path, metavar="SDF",
        help="world with what the new tasks name (default: cloth_cell.sdf)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> dict:
    """Runs what is not done yet.

    Returns:
        As `NewTasks.run`; the page is `<out>/new-task.md`, its numbers are `<out>/results.json`.
    """
    from mtopt_bringup.newtask.config import SCALES as sizes
    from mtopt_bringup.newtask.experiment import NewTasks

    tasks_file = arguments.tasks_file or share_dir() / "params" / "tasks_cloth.yaml"
    world = arguments.world or share_dir() / "worlds" / "cloth_cell.sdf"
    experiment = NewTasks(
        arguments.base, arguments.out, sizes[arguments.scale], tasks_file, world, arguments.minutes
    )
    return experiment.run()
