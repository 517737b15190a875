"""Types of options that take a number: what is out of bounds is refused as it is read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def _bounded(kind: type, expected: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not fits(number):
            raise argparse.ArgumentTypeError(f"got {text}, expected {expected}")
        return number

    return parse


positive_int = _bounded(int, "a whole number from 1 to 2^31 - 1", lambda n: 1 <= n < 2**31)
nonnegative_int = _bounded(int, "a whole number from 0 to 2^31 - 1", lambda n: 0 <= n < 2**31)
positive_float = _bounded(float, "a number above 0", lambda x: 0 < x < math.inf)
nonnegative_float = _bounded(float, "a number from 0 on", lambda x: 0 <= x < math.inf)
share = _bounded(float, "a number from 0 to 1", lambda x: 0 <= x <= 1)
proper_share = _bounded(float, "a number above 0 and below 1", lambda x: 0 < x < 1)
