"""How sure a success rate is."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(successes: int, attempts: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a success rate, in [0, 1].

    With p = successes / attempts and n = attempts, its ends are
    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    (E. B. Wilson, 1927, "Probable inference", JASA 22). Without attempts it is (0, 1).

    Raises:
        ValueError: Counts that cannot be.
    """
    if not 0 <= successes <= attempts:
        raise ValueError(f"got {successes} successes of {attempts} attempts")
    if attempts == 0:
        return 0.0, 1.0
    rate = successes / attempts
    centre = rate + z * z / (2 * attempts)
    half = z * math.sqrt(rate * (1 - rate) / attempts + z * z / (4 * attempts * attempts))
    scale = 1 + z * z / attempts
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == attempts else (centre + half) / scale
    return low, high
