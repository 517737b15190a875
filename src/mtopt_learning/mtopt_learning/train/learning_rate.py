"""How the learning rate falls."""

from __future__ import annotations

import math

FINAL_SHARE = 0.1


def decayed(rate: float, step: int, steps: int) -> float:
    """Half a cosine from `rate` to a tenth of it (arXiv 1608.03983, equation 5, one period).

    It depends on the step alone, so a run that goes on learns as one that was never interrupted.

    Args:
        rate: At step 0.
        step: Gradient steps that are done.
        steps: From this step on it stays at a tenth; 0: it never falls.
    """
    if not steps:
        return rate
    half = 0.5 * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))
    return rate * (FINAL_SHARE + (1.0 - FINAL_SHARE) * half)
