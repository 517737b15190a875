"""Moves that the scripted policies are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M


def towards(
    position_m: Sequence[float], target_m: Sequence[float], noise_m: Sequence[float]
) -> tuple[float, float, float]:
    """The translation (3,) of one step from position to target, plus noise, within the limits."""
    way = [target - here for here, target in zip(position_m, target_m)]
    # Shorten along the line, so that the path is straight, before noise.
    share = min(1.0, MAX_TRANSLATION_M / max(*map(abs, way), 1e-9))
    x, y, z = (_cut(share * step + noise, MAX_TRANSLATION_M) for step, noise in zip(way, noise_m))
    return (x, y, z)


def turn_towards(azimuth_rad: float, target_rad: float, noise_rad: float) -> float:
    """The turn of one step; the gripper is the same after half a turn."""
    turn = (target_rad - azimuth_rad + math.pi / 2) % math.pi - math.pi / 2
    return _cut(turn + noise_rad, MAX_AZIMUTH_RAD)


def _cut(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
