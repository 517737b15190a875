"""`mtopt bags`: what is in bags, and what a crash left of them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import yaml
from tqdm import tqdm

from mtopt_control.recorder.recovery import CUT, inspect_bag, recover_bag, unclosed_bags
from mtopt_learning.bag.check import check_bags
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError

SUMMARY = "Check bags from end to end, close those that a crash left open, look at episodes."
EXAMPLE = "mtopt bags check bags/ --repair --json"
_LOG = logging.getLogger("mtopt.bags")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check` and `view`."""
    from mtopt_learning.bag import view  # needs Rerun; checking does not

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
    view.add_arguments(look)
    for sub in (check, look):
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> dict:
    """Runs the chosen action."""
    if arguments.action == "view":
        from mtopt_learning.bag import view

        return view.run(arguments)
    return check(arguments.folders, repair=arguments.repair)


def check(folders: list[Path], *, repair: bool) -> dict:
    """Checks all bags at or below folders.

    Returns:
        `bags`, `episodes`, `void_episodes`, `dropped_frames`, `late_frames`; `recovered`: episodes
        in bags that were closed after their writer had died; `set_aside`: what was of no whole
        episode, beside them; `errors`.
    """
    for folder in folders:
        if not folder.exists():
            raise InputError("bags", where=folder, got="no such folder", expected="a folder")
    errors: list[str] = []
    for partial in sorted({bag.resolve() for folder in folders for bag in unclosed_bags(folder)}):
        found = recover_bag(partial) if repair else inspect_bag(partial)
        if found.being_written:
            _LOG.info("%s is being written; %s", partial, "left alone")
        elif repair:
            _LOG.info(
                "%s: %d episodes kept, %d bytes set aside",
                found.bag,
                found.episodes,
                found.cut_bytes,
            )
        else:
            errors.append(
                f"{partial}: left open, {found.episodes} whole episodes, {found.cut_bytes} bytes of"
                " damaged or cut-off ones; `mtopt bags check --repair` closes it"
            )
    try:
        bags = find_bags(folders)
    except InputError as error:
        bags, errors = [], errors or [str(error)]
    if repair:
        for bag in bags:
            if _is_damaged(bag):
                found = recover_bag(bag)
                _LOG.info(
                    "%s was damaged: %d episodes kept, %d bytes set aside",
                    bag, found.episodes, found.cut_bytes,
                )  # fmt: skip
        bags = [bag for bag in bags if bag.is_dir()]
    with tqdm(total=len(bags), unit="bag", disable=None) as bar:
        counts, found_errors = check_bags(bags, lambda _: bar.update())
    rests = {cut for folder in folders for cut in folder.resolve().rglob(f"*{CUT}")}
    rests |= {bag.with_name(bag.name + CUT) for bag in bags} & {
        cut for bag in bags for cut in bag.parent.glob(f"*{CUT}")
    }
    errors += found_errors
    return {
        "bags": len(bags),
        "episodes": counts["episodes"],
        "void_episodes": counts["void"],
        "incomplete_episodes": counts["incomplete"],
        "dropped_frames": counts["dropped_frames"],
        "late_frames": counts["late_frames"],
        "recovered": sum(_recovered_episodes(bag) for bag in bags),
        "set_aside": len(rests),
        "errors": errors,
        "exit_code": 1 if errors else 0,
    }


def _is_damaged(bag: Path) -> bool:
    """The bag's file has no proper end or cannot be read up to it, and holds whole episodes."""
    try:
        with BagReader(bag) as reader:
            for _ in reader.episodes():
                pass
    except InputError:
        found = inspect_bag(bag)
        return found.episodes > 0 and not found.being_written
    return False


def _recovered_episodes(bag: Path) -> int:
    try:
        metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
        custom = metadata["rosbag2_bagfile_information"].get("custom_data") or {}
        recovered = custom.get("mtopt_recovered") == "yes"
        return int(custom["mtopt_episodes"]) if recovered else 0
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        return 0
