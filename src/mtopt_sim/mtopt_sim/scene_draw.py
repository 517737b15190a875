"""What a scene's seed decides before anything else: which objects are in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OBJECTS_IN_SCENE = 5


def scene_generator(seed: int) -> np.random.Generator:
    """Draws all of a scene, the objects first."""
    return np.random.default_rng([seed, 0x5CE7E])


def draw_objects(rng: np.random.Generator, names: Sequence[str], count: int) -> tuple[str, ...]:
    """`count` different ones of `names`; all of them where there are fewer."""
    count = min(count, len(names))
    return tuple(str(name) for name in rng.choice(names, size=count, replace=False))
