"""What a script draws at a step: made for many steps at once, since a new generator is dear."""

from __future__ import annotations

from functools import lru_cache

from mtopt_spec import seeds

_STEPS = 20


def step_draws(seed: int, purpose: str, step_index: int) -> tuple[list[float], float]:
    """(4,) standard normal numbers and one evenly spread in [0, 1).

    They depend on nothing but the arguments, whatever was drawn before.
    """
    block, row = divmod(step_index, _STEPS)
    normal, uniform = _draws(seed, purpose, block)
    return normal[row], uniform[row]


@lru_cache(maxsize=64)
def _draws(seed: int, purpose: str, block: int) -> tuple[list[list[float]], list[float]]:
    """The draws of `_STEPS` steps; kept for as many episodes as run side by side."""
    random = seeds.generator(seed, purpose, block)
    return random.normal(size=(_STEPS, 4)).tolist(), random.random(_STEPS).tolist()
