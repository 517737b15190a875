"""`mtopt bags view`: shows a bag's episodes in Rerun, or writes them to a file."""

from __future__ import annotations

import argparse
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagEpisode, BagReader
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import partial_path

log = logging.getLogger("mtopt.bags.view")

APPLICATION = "mtopt"
QCurves = Callable[[BagEpisode], Mapping[str, np.ndarray]]
"""Gives named curves, each (steps + 1,) with NaN where there is no value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `mtopt bags view`."""
    parser.add_argument("bag", type=Path, help="a bag, or a folder of bags (the first is shown)")
    parser.add_argument("--episode", type=int, metavar="N", help="only the N-th, counted from 0")
    parser.add_argument(
        "--limit", type=int, default=50, help="at most so many episodes (default 50)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="draw the Q-values of this checkpoint too"
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE.rrd", help="write a Rerun file, start no viewer"
    )


def run(arguments: argparse.Namespace) -> dict:
    """Shows a bag's episodes in Rerun, or writes them to a file.

    Raises:
        InputError: No such bag or episode, or the file cannot be written.
    """
    import rerun as rr  # here, as only viewing needs it

    from mtopt_learning.bag.rerun_episode import GOAL, blueprint, log_episode

    bag = find_bags([arguments.bag])[0]
    q_curves = _q_curves(arguments.checkpoint) if arguments.checkpoint else None
    recording = rr.RecordingStream(APPLICATION, recording_id=f"{bag.parent.name}/{bag.name}")
    partial = _partial(arguments.save) if arguments.save else None
    if partial is not None:
        recording.save(partial)
    else:
        recording.spawn()
    shown = observations = 0
    with BagReader(bag, joint_states=True) as reader:
        for episode in _chosen(bag, reader, arguments.episode, arguments.limit):
            if not shown:
                goal = [f"{GOAL}/{camera}" for camera in episode.goal_images_jpeg]
                pictures = [*episode.images_jpeg, *goal]
                recording.send_blueprint(blueprint(pictures, bool(q_curves)))
            curves = q_curves(episode) if q_curves else {}
            observations = log_episode(recording, episode, curves, observations)
            shown += 1
    recording.flush()
    recording.disconnect()
    if partial is not None:
        os.replace(partial, arguments.save)
    log.info("%d episode(s) of %s", shown, bag)
    return {"bag": str(bag), "episodes": shown, "saved": str(arguments.save or "")}


def _partial(path: Path) -> Path:
    """Where the file is written aside.

    Raises:
        InputError: Its folder is not there.
    """
    if not path.parent.is_dir():
        raise InputError("folder", where=path, got="none", expected="an existing folder")
    return partial_path(path)


def _chosen(bag: Path, reader: BagReader, number: int | None, limit: int) -> Iterable[BagEpisode]:
    """The N-th episode of a bag, or the first ones; void episodes count too."""
    episodes = reader.episodes(void=True)
    if number is None:
        return itertools.islice(episodes, limit)
    found = list(itertools.islice(episodes, max(number, 0), number + 1)) if number >= 0 else []
    if not found:
        raise InputError(
            "episode", where=bag, got=str(number), expected="a number from 0, below their count"
        )
    return found


def _q_curves(checkpoint: Path) -> QCurves:
    """Q-values by a checkpoint; imported only here, as it needs torch."""
    from mtopt_learning.report.q_reader import QReader

    reader = QReader(checkpoint)
    return lambda episode: reader.of_pictures(
        episode.begin.task, episode.images_jpeg, episode.state, episode.action
    )
