"""One control period of one station: physics, then what its sensors show at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtopt_sim.station import Station
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
    physics_s: float = 0.0
    render_s: float = 0.0


def advance(station: Station, tick: int, period_s: float, readings: int) -> tuple[JointState, ...]:
    """Advances a station from tick `tick` - 1 to `tick`; returns its joint readings.

    Args:
        station: Commanded already.
        tick: The number of control periods at the end of this one.
        period_s: Control period.
        readings: Joint readings a period, evenly spread, the last one at its end.
    """
    began_at_s, spacing_s = (tick - 1) * period_s, period_s / readings
    stamps_s = [began_at_s + i * spacing_s for i in range(1, readings)] + [tick * period_s]
    return tuple(station.advance(period_s, readings, stamps_s))


def look(station: Station, cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """Camera name to (h, w, 3) uint8 RGB of what each sees now."""
    return {camera: station.render(camera) for camera in cameras}


def sense(
    station: Station, tick: int, period_s: float, readings: int, cameras: Sequence[str]
) -> Sensed:
    """Advances a station as `advance` does, then looks through `cameras`; times both."""
    began_s = time.thread_time()
    states = advance(station, tick, period_s, readings)
    advanced_s = time.thread_time()
    images = look(station, cameras)
    looked_s = time.thread_time()
    return Sensed(tick * period_s, states, images, advanced_s - began_s, looked_s - advanced_s)
