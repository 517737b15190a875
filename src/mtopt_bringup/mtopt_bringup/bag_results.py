"""What a run has put into its bags, counted from the bags."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagEpisode, BagReader
from mtopt_spec.errors import InputError

_LOG = logging.getLogger("mtopt.cell")


@dataclass
class BagResults:
    """Counts of one run.

    Attributes:
        tasks: Task to [attempts, successes] of complete episodes.
        void: Ids of episodes that a fault ended.
        complete: Ids of the others.
        dropped_frames: Of all.
        steps: Control steps of complete episodes.
    """

    tasks: dict[str, list[int]] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    dropped_frames: int = 0
    steps: int = 0

    @property
    def episodes(self) -> int:
        """Complete ones."""
        return sum(attempts for attempts, _ in self.tasks.values())


def closed_bags(out: Path) -> frozenset[Path]:
    """The bags below a folder, which may have none."""
    try:
        return frozenset(find_bags([out]))
    except InputError:
        return frozenset()


def count_run(out: Path, run: str, before: frozenset[Path] = frozenset()) -> BagResults:
    """Counts the closed bags' episodes whose id belongs to a run.

    Args:
        out: Folder that the run recorded into.
        run: First part of the ids.
        before: `closed_bags` when the run began; these are not read again.

    Returns:
        What could be read; damaged bags are logged.
    """
    results = BagResults()
    for bag in sorted(closed_bags(out) - before):
        try:
            with BagReader(bag) as reader:
                for episode in reader.episodes(void=True):
                    if episode.begin.episode_id.startswith(f"{run}-"):
                        _count(episode, results)
        except InputError as error:
            _LOG.error("not counted to its end: %s", error)
    return results


def _count(episode: BagEpisode, results: BagResults) -> None:
    results.dropped_frames += episode.end.dropped_frames
    if episode.void:
        results.void.add(episode.begin.episode_id)
        return
    results.complete.add(episode.begin.episode_id)
    results.steps += episode.end.steps
    record = results.tasks.setdefault(episode.begin.task, [0, 0])
    record[0] += 1
    record[1] += bool(episode.end.success)
