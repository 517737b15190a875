"""Puts an observation together from tool states and pictures that arrive one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mtopt_spec.observation import Observation
from mtopt_spec.time_jump import is_ahead

_SLACK_S = 1e-6


@dataclass(frozen=True)
class FrameCounts:
    """What did not come, or not in time."""

    dropped: int = 0
    late: int = 0


class ObservationAssembler:
    """One observation a tick: its tool state and a picture of each camera, once all have come.

    A tick that is overtaken by a later one before it was complete is dropped, and counted.

    Args:
        camera_names: Cameras of an observation.
        period_s: Between ticks.
        max_image_age_s: Largest difference of a picture's stamp from the tick's; 0 where time
            stands still: then every picture has the tick's own stamp.
    """

    def __init__(self, camera_names: Sequence[str], period_s: float, max_image_age_s: float = 0.0):
        self._cameras = tuple(camera_names)
        self._period_s = period_s
        self._max_image_age_s = max_image_age_s + _SLACK_S
        self._images: dict[str, tuple[float, bytes]] = {}
        self._tool: Observation | None = None
        self._given_stamp_s: float | None = None
        self._counts = FrameCounts()

    def add_image(
        self, camera: str, stamp_s: float, jpeg: bytes, now_s: float | None = None
    ) -> Observation | None:
        """Takes a picture.

        Args:
            camera: Which one.
            stamp_s: When it was taken.
            jpeg: The picture.
            now_s: Time on the same clock; None where time stands still.

        Returns:
            The observation that it completes.
        """
        if camera in self._images and stamp_s < self._images[camera][0]:
            return None
        self._images[camera] = (stamp_s, jpeg)
        if now_s is not None and now_s - stamp_s > 0.5 * self._period_s:
            self._counts = replace(self._counts, late=self._counts.late + 1)
        return self._complete()

    def add_tool(self, tool: Observation) -> Observation | None:
        """Takes a tick's proprioception (an observation without pictures)."""
        if self._tool is not None and tool.stamp_s < self._tool.stamp_s:
            return None
        self._tool = tool
        return self._complete()

    def _complete(self) -> Observation | None:
        tool = self._tool
        if tool is None or tool.stamp_s == self._given_stamp_s:
            return None
        for camera in self._cameras:
            if camera not in self._images:
                return None
            if abs(self._images[camera][0] - tool.stamp_s) > self._max_image_age_s:
                return None
        if self._given_stamp_s is not None:
            missed = round((tool.stamp_s - self._given_stamp_s) / self._period_s) - 1
            if missed > 0:
                self._counts = replace(self._counts, dropped=self._counts.dropped + missed)
        self._given_stamp_s = tool.stamp_s
        pictures: Mapping[str, bytes] = {name: self._images[name][1] for name in self._cameras}
        return replace(tool, images_jpeg=pictures)

    def begin_anew(self, now_s: float) -> None:
        """Time went back to `now_s`: what is later belongs to no observation."""
        self._images = {
            camera: image for camera, image in self._images.items() if not is_ahead(image[0], now_s)
        }
        if self._tool is not None and is_ahead(self._tool.stamp_s, now_s):
            self._tool = None
        if self._given_stamp_s is not None and is_ahead(self._given_stamp_s, now_s):
            self._given_stamp_s = None

    def take_counts(self) -> FrameCounts:
        """What was missed since the last call."""
        counts, self._counts = self._counts, FrameCounts()
        return counts
