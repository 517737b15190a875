"""`mtopt bags view`: shows a bag's episodes in Rerun, or writes them to a file."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagEpisode, BagReader
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import partial_path

if TYPE_CHECKING:
    import rerun as rr

log = logging.getLogger("mtopt.bags.view")

APPLICATION = "mtopt"
QCurves = Callable[[BagEpisode], Mapping[str, np.ndarray]]
"""Gives named curves, each (steps + 1,) with NaN where there is no value."""


def view(
    folder: Path,
    *,
    episode: int | None = None,
    limit: int = 50,
    checkpoint: Path | None = None,
    save: Path | None = None,
) -> dict:
    """Shows a bag's episodes in Rerun, or writes them to a file.

    Args:
        folder: A bag, or one with bags in it; the first is shown.
        episode: Only this one, counted from 0.
        limit: Else at most so many.
        checkpoint: Draw its Q-values too.
        save: Rerun's file to write; no viewer is started then.

    Raises:
        InputError: No such bag or episode, or the file cannot be written.
    """
    from mtopt_learning.bag.rerun_episode import GOAL, blueprint, log_episode

    bag = find_bags([folder])[0]
    q_curves = _q_curves(checkpoint) if checkpoint else None
    shown = observations = 0
    with (
        _recording(f"{bag.parent.name}/{bag.name}", save) as recording,
        BagReader(bag, joint_states=True) as reader,
    ):
        for each in _chosen(bag, reader, episode, limit):
            if not shown:
                goal = [f"{GOAL}/{camera}" for camera in each.goal_images_jpeg]
                pictures = [*each.images_jpeg, *goal]
                recording.send_blueprint(blueprint(pictures, bool(q_curves)))
            curves = q_curves(each) if q_curves else {}
            observations = log_episode(recording, each, curves, observations)
            shown += 1
    log.info("%d episode(s) of %s", shown, bag)
    return {"bag": str(bag), "episodes": shown, "saved": str(save or "")}


@contextlib.contextmanager
def _recording(name: str, save: Path | None) -> Iterator[rr.RecordingStream]:
    """A stream to a viewer, or to a file, of which nothing stays where that fails."""
    import rerun as rr  # here, as only viewing needs it

    recording = rr.RecordingStream(APPLICATION, recording_id=name)
    partial = _partial(save) if save else None
    try:
        if partial is not None:
            recording.save(partial)
        else:
            recording.spawn()
        yield recording
        recording.flush()
        recording.disconnect()
        if partial is not None:
            os.replace(partial, save)
    except BaseException:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise


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
    found = list(itertools.islice(episodes, number, number + 1))
    if not found:
        raise InputError(
            "episode", where=bag, got=str(number), expected="a number below that of its episodes"
        )
    return found


def _q_curves(checkpoint: Path) -> QCurves:
    """Q-values by a checkpoint; imported only here, as it needs torch."""
    from mtopt_learning.report.q_reader import QReader

    reader = QReader(checkpoint)
    return lambda episode: reader.of_pictures(
        episode.begin.task, episode.images_jpeg, episode.state, episode.action
    )
