"""`mtopt bags`: what is in bags, and what a crash left of them."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from pathlib import Path

import yaml
from tqdm import tqdm

from mtopt_bringup.number_types import nonnegative_int, positive_int
from mtopt_control.recorder.recovery import CUT, Found, inspect_bag, recover_bag, unclosed_bags
from mtopt_learning.bag.check import check_bag
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.picture_ages import PictureAges
from mtopt_learning.bag.reader import DamagedBag
from mtopt_spec.errors import InputError

SUMMARY = "Check bags from end to end, close those that a crash left open, look at episodes."
EXAMPLE = "mtopt bags check bags/ --repair --json"
_LOG = logging.getLogger("mtopt.bags")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check` and `view`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    check = actions.add_parser(
        "check",
        help="read every message; count episodes, void ones, dropped frames, cut-off rests",
        description="Reads bags from end to end. Exit code 1 when something is wrong with one.",
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="bags, or folders of")
    check.add_argument(
        "--repair",
        action="store_true",
        help="close bags left open, cut off or damaged: whole episodes are kept, the rest is put "
        "aside",
    )
    look = actions.add_parser("view", help="show episodes in Rerun")
    look.add_argument("bag", type=Path, help="a bag, or a folder of bags (the first is shown)")
    look.add_argument(
        "--episode", type=nonnegative_int, metavar="N", help="only the N-th, counted from 0"
    )
    look.add_argument(
        "--limit", type=positive_int, default=50, help="at most so many episodes (default 50)"
    )
    look.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="draw the Q-values of this checkpoint too"
    )
    look.add_argument(
        "--save", type=Path, metavar="FILE.rrd", help="write a Rerun file, start no viewer"
    )
    for sub in (check, look):
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen action."""
    if arguments.action == "view":
        from mtopt_learning.bag.view import view  # needs Rerun; checking does not

        return view(
            arguments.bag, episode=arguments.episode, limit=arguments.limit,
            checkpoint=arguments.checkpoint, save=arguments.save,
        )  # fmt: skip
    return check(arguments.folders, repair=arguments.repair)


def check(folders: list[Path], *, repair: bool) -> dict:
    """Checks all bags at or below folders.

    Returns:
        `bags`, `episodes`, `void_episodes`, `dropped_frames`, `late_frames`; `recovered`: episodes
        in bags that were closed after their writer had died; `set_aside`: what was of no whole
        episode, beside them; `picture_age_s`: mean and largest at an observation, by camera;
        `errors`.
    """
    for folder in folders:
        if not folder.exists():
            raise InputError("bags", where=folder, got="no such folder", expected="a folder")
    errors: list[str] = []
    for partial in sorted({bag.resolve() for folder in folders for bag in unclosed_bags(folder)}):
        try:
            found = recover_bag(partial) if repair else inspect_bag(partial)
        except InputError as error:
            errors.append(str(error))
            continue
        if found.being_written:
            _LOG.info("%s is being written; %s", partial, "left alone")
        elif repair:
            _log_repair(found)
        else:
            errors.append(
                f"{partial}: left open, {found.episodes} whole episodes, {found.cut_bytes} bytes of"
                " damaged or cut-off ones; `mtopt bags check --repair` closes it"
            )
    try:
        bags = find_bags(folders)
    except InputError as error:
        bags, errors = [], errors or [str(error)]
    counts, ages = Counter(), PictureAges()
    for bag in tqdm(bags, unit="bag", disable=None):
        try:
            found, its_ages, problems = _repaired(bag) if repair else check_bag(bag)
        except InputError as error:
            errors.append(str(error))
        else:
            counts += found
            ages.merge(its_ages)
            errors += problems
    for warning in ages.warnings():
        _LOG.warning(warning)
    rests = {cut for folder in folders for cut in folder.resolve().rglob(f"*{CUT}")}
    rests |= {bag.with_name(bag.name + CUT) for bag in bags} & {
        cut for bag in bags for cut in bag.parent.glob(f"*{CUT}")
    }
    return {
        "bags": len(bags),
        "episodes": counts["episodes"],
        "void_episodes": counts["void"],
        "incomplete_episodes": counts["incomplete"],
        "dropped_frames": counts["dropped_frames"],
        "late_frames": counts["late_frames"],
        "recovered": sum(_recovered_episodes(bag) for bag in bags),
        "set_aside": len(rests),
        "picture_age_s": ages.summary(),
        "errors": errors,
        "exit_code": 1 if errors else 0,
    }


def _repaired(bag: Path) -> tuple[Counter, PictureAges, list[str]]:
    """What `check_bag` tells, once whole episodes of a damaged bag are put in order.

    Raises:
        InputError: The bag has no whole episode or several files, is being written, or says what
            it must not.
    """
    try:
        return check_bag(bag)
    except DamagedBag:
        found = inspect_bag(bag)
        if not found.episodes or found.being_written:
            raise
    _log_repair(recover_bag(bag))
    return check_bag(bag)


def _log_repair(found: Found) -> None:
    _LOG.info(
        "%s: %d episodes kept, %d bytes set aside", found.bag, found.episodes, found.cut_bytes
    )


def _recovered_episodes(bag: Path) -> int:
    try:
        metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
        custom = metadata["rosbag2_bagfile_information"].get("custom_data") or {}
        recovered = custom.get("mtopt_recovered") == "yes"
        return int(custom["mtopt_episodes"]) if recovered else 0
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        return 0
