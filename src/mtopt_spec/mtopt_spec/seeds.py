"""Random numbers: every draw has a seed and a purpose, whatever process makes it."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments.

    Args:
        seed: The run's or the episode's seed, not negative.
        purpose: What is drawn: one purpose's draws never shift another's.
        indices: Robot, episode or step numbers.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *indices])


def derive(seed: int, purpose: str, *indices: int) -> int:
    """A seed in [0, 2**63) for something below (an episode of a run)."""
    return int(generator(seed, purpose, *indices).integers(2**63))
