"""What a run has put into its bags, counted from the bags."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError


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


def count_run(out: Path, run: str) -> BagResults:
    """Counts the closed bags' episodes whose id belongs to a run."""
    results = BagResults()
    try:
        bags = find_bags([out])
    except InputError:
        return results
    for bag in bags:
        with BagReader(bag) as reader:
            for episode in reader.episodes(void=True):
                if not episode.begin.episode_id.startswith(f"{run}-"):
                    continue
                results.dropped_frames += episode.end.dropped_frames
                if episode.void:
                    results.void.add(episode.begin.episode_id)
                    continue
                results.complete.add(episode.begin.episode_id)
                results.steps += episode.end.steps
                record = results.tasks.setdefault(episode.begin.task, [0, 0])
                record[0] += 1
                record[1] += bool(episode.end.success)
    return results
