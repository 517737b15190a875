"""How far long work is: a moving bar for people, a line now and then in a log."""

from __future__ import annotations

import sys

from tqdm import tqdm

_LOG_EVERY_S = 10.0


def episode_bar(total: int | None) -> tqdm:
    """A bar on standard error that counts episodes (to `total`, if known); a context manager."""
    moving = sys.stderr.isatty()
    return tqdm(
        total=total, unit="episode", mininterval=0.1 if moving else _LOG_EVERY_S,
        miniters=None if moving else 1, maxinterval=_LOG_EVERY_S,
    )  # fmt: skip
