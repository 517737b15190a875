"""Moves that the scripted policies are made of."""

from __future__ import annotations

import numpy as np

from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M


def towards(position_m, target_m, noise_m: np.ndarray) -> tuple[float, float, float]:
    """The translation (3,) of one step from position to target, plus noise, within the limits."""
    step = np.asarray(target_m, float) - np.asarray(position_m, float)
    # Shorten along the line, so that the path is straight, before noise.
    step *= min(1.0, MAX_TRANSLATION_M / max(float(np.max(np.abs(step))), 1e-9))
    step = np.clip(step + noise_m, -MAX_TRANSLATION_M, MAX_TRANSLATION_M)
    return (float(step[0]), float(step[1]), float(step[2]))


def turn_towards(azimuth_rad: float, target_rad: float, noise_rad: float) -> float:
    """The turn of one step; the gripper is the same after half a turn."""
    turn = (target_rad - azimuth_rad + np.pi / 2) % np.pi - np.pi / 2
    return float(np.clip(turn + noise_rad, -MAX_AZIMUTH_RAD, MAX_AZIMUTH_RAD))
