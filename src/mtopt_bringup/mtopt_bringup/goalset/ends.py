"""Keeps how each episode that was to reach a goal ended: its picture, and what is left to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_sim.goals import distance_m
from mtopt_sim.station import Station
from mtopt_spec.episode import Episode
from mtopt_spec.goal import REACH_GOAL
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.interfaces import EndReason
from mtopt_spec.whole_file import write_aside

_FILES = r"\d{5}(_end\.jpg|\.json)"


@dataclass(frozen=True)
class EndFolder:
    """Makes a sink for each robot's episodes; it can be pickled.

    Attributes:
        folder: Where pictures and notes go, two files a goal.
        goals: Whose goals are to be reached; an episode's seed says which.
    """

    folder: Path
    goals: GoalSet

    def __call__(self, robot: str, station: Station) -> EndSink:
        """The sink of a robot."""
        numbers = {shown.scene_seed: n for n, shown in enumerate(self.goals.goals)}
        return EndSink(self, station, numbers)

    def picture(self, number: int) -> Path:
        """File of the last picture of a goal's episode."""
        return self.folder / f"{number:05d}_end.jpg"

    def note(self, number: int) -> Path:
        """File of what is known of a goal's episode."""
        return self.folder / f"{number:05d}.json"

    def keep(self, number: int, first_jpeg: bytes, last_jpeg: bytes, **known: float) -> None:
        """Writes both files of a goal's episode.

        Args:
            number: Of the goal.
            first_jpeg: What the goals' camera saw at the start.
            last_jpeg: What it saw at the end.
            known: `distance_m`, `steps`.
        """
        start = self.goals.goals[number].start_jpeg
        note = {**known, "start_difference": picture_difference(first_jpeg, start)}
        write_aside(self.picture(number), last_jpeg)
        write_aside(self.note(number), json.dumps(note).encode())

    def clear(self) -> None:
        """Removes all such files, and nothing else."""
        for path in self.folder.glob("*"):
            if re.fullmatch(_FILES, path.name):
                path.unlink()

    def read(self, number: int) -> dict:
        """`distance_m`, `steps`, `start_difference` of a goal's episode; {} without one."""
        try:
            return json.loads(self.note(number).read_text())
        except (OSError, ValueError):
            return {}


class EndSink:
    """An `EpisodeSink` beside one robot's station."""

    def __init__(self, ends: EndFolder, station: Station, numbers: Mapping[int, int]):
        self._ends, self._station, self._numbers = ends, station, numbers

    def write(self, episode: Episode) -> None:
        """Notes a complete episode with a goal."""
        if episode.begin.task != REACH_GOAL or episode.end.reason == EndReason.FAULT:
            return
        number = self._numbers[episode.begin.seed]
        shown, camera = self._ends.goals.goals[number], self._ends.goals.camera
        self._ends.keep(
            number,
            episode.steps[0].observation.images_jpeg[camera],
            episode.last_observation.images_jpeg[camera],
            distance_m=distance_m(self._station.truth(), shown.goal.truth),
            steps=episode.end.steps,
        )

    def close(self) -> None:
        """Nothing is open."""


def picture_difference(one_jpeg: bytes, other_jpeg: bytes) -> float:
    """Mean absolute difference of two pictures' values, in [0, 255]; 255 for other sizes."""
    if one_jpeg == other_jpeg:
        return 0.0
    one, other = decode_jpeg(one_jpeg).astype(np.int16), decode_jpeg(other_jpeg)
    return float(np.abs(one - other).mean()) if one.shape == other.shape else 255.0
