"""How old pictures are at the observations that they belong to: 0 where they have its stamp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mtopt_learning.bag.collected_episode import BagEpisode

_MOST_PERIODS = 0.5
"""Of mean age; older ones show the step before, as where stamps are late by a little."""


@dataclass
class _Ages:
    """Of one camera's pictures."""

    count: int = 0
    sum_s: float = 0.0
    largest_s: float = 0.0
    sum_periods: float = 0.0


class PictureAges:
    """Ages of the pictures of episodes, camera by camera."""

    def __init__(self):
        self._of: dict[str, _Ages] = {}

    def add(self, episode: BagEpisode) -> None:
        """Counts those of an episode."""
        for camera, age_s in episode.picture_age_s.items():
            ages = self._of.setdefault(camera, _Ages())
            ages.count += len(age_s)
            ages.sum_s += age_s.sum()
            ages.largest_s = max(ages.largest_s, age_s.max())
            ages.sum_periods += age_s.sum() / episode.begin.control_period_s

    def merge(self, other: PictureAges) -> None:
        """Adds those that another one counted."""
        for camera, more in other._of.items():
            ages = self._of.setdefault(camera, _Ages())
            ages.count += more.count
            ages.sum_s += more.sum_s
            ages.largest_s = max(ages.largest_s, more.largest_s)
            ages.sum_periods += more.sum_periods

    def summary(self) -> dict[str, dict[str, float]]:
        """Camera to `mean` and `max`, s."""
        return {
            camera: {"mean": float(ages.sum_s / ages.count), "max": float(ages.largest_s)}
            for camera, ages in self._of.items()
        }

    def warnings(self) -> Iterator[str]:
        """What is to be told of cameras whose pictures may be of the step before."""
        for camera, ages in self._of.items():
            periods = ages.sum_periods / ages.count
            if periods > _MOST_PERIODS:
                yield (
                    f"pictures of camera {camera} are {ages.sum_s / ages.count:.3f} s old on "
                    f"average, {periods:.2f} control periods: are their stamps later than the tool "
                    "state's of the same time?"
                )
