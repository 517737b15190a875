"""How old pictures are at the observations that they belong to: 0 where they have its stamp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mtopt_learning.bag.collected_episode import BagEpisode

_MOST_PERIODS = 0.5
"""Of mean age; older ones show the step before, as where stamps are late by a little."""


@dataclass(frozen=True)
class _Ages:
    """Of one camera's pictures."""

    count: int = 0
    sum_s: float = 0.0
    largest_s: float = 0.0
    sum_periods: float = 0.0

    def __add__(self, more: _Ages) -> _Ages:
        return _Ages(
            self.count + more.count, self.sum_s + more.sum_s,
            max(self.largest_s, more.largest_s), self.sum_periods + more.sum_periods,
        )  # fmt: skip


class PictureAges:
    """Ages of the pictures of episodes, camera by camera."""

    def __init__(self):
        self._of: dict[str, _Ages] = {}

    def add(self, episode: BagEpisode) -> None:
        """Counts those of an episode."""
        period_s = episode.begin.control_period_s
        for camera, age_s in episode.picture_age_s.items():
            sum_s = age_s.sum()
            self._count(camera, _Ages(len(age_s), sum_s, age_s.max(), sum_s / period_s))

    def merge(self, other: PictureAges) -> None:
        """Adds those that another one counted."""
        for camera, more in other._of.items():
            self._count(camera, more)

    def _count(self, camera: str, more: _Ages) -> None:
        self._of[camera] = self._of.get(camera, _Ages()) + more

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
