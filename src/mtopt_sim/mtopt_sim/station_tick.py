"""One control period of one station: physics, then what its sensors show at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtopt_spec.episode import JointState


@dataclass(frozen=True)
class Sensed:
    """What a station shows at a tick.

    Attributes:
        stamp_s: The tick's time.
        joint_states: Readings since the tick before, the last one at `stamp_s`.
        images_hwc_u8: Camera name to (h, w, 3) uint8 RGB.
        physics_s: Processor time of the physics.
        render_s: Processor time of the pictures.
    """

    stamp_s: float
    joint_states: tuple[JointState, ...]
    images_hwc_u8: Mapping[str, np.ndarray]
    physics_s: float
    render_s: float


def advance(station, tick: int, period_s: float, readings: int, cameras: Sequence[str]) -> Sensed:
    """Advances a station from tick `tick` - 1 to `tick`.

    Args:
        station: A `Station`, commanded already.
        tick: The number of control periods at the end of this one.
        period_s: Control period.
        readings: Joint readings a period, evenly spread, the last one at its end.
        cameras: Names of the cameras to render.
    """
    began_s = time.thread_time()
    began_at_s, spacing_s = (tick - 1) * period_s, period_s / readings
    stamps_s = [began_at_s + i * spacing_s for i in range(1, readings)] + [tick * period_s]
    states = tuple(station.advance(period_s, readings, stamps_s))
    physics_s = time.thread_time() - began_s
    return look(station, tick * period_s, states, cameras, physics_s)


def look(
    station, stamp_s: float, states: tuple[JointState, ...], cameras, physics_s: float = 0.0
) -> Sensed:
    """What a station shows without advancing; `states` are the readings that go with it."""
    began_s = time.thread_time()
    images = {camera: station.render(camera) for camera in cameras}
    render_s = time.thread_time() - began_s
    return Sensed(stamp_s, states, images, physics_s, render_s)
