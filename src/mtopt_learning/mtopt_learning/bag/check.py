"""Reads bags from end to end and says what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError


def check_bags(
    bags: Sequence[Path], progress: Callable[[Path], None] | None = None
) -> tuple[Counter, list[str]]:
    """Reads every message of closed bags.

    Args:
        bags: Their folders.
        progress: Called after each bag.

    Returns:
        Counts (`bags` that could be read, `episodes`, `void`, `incomplete`, `dropped_frames`,
        `late_frames`, `stray_messages`) and what is wrong, in words.
    """
    counts: Counter = Counter()
    errors: list[str] = []
    for bag in bags:
        try:
            with BagReader(bag, joint_states=True) as reader:
                for _ in reader.episodes():
                    pass
                counts["bags"] += 1
                counts.update(reader.counts)
                errors += [f"{bag}: incomplete episode {text}" for text in reader.problems]
        except InputError as error:
            errors.append(str(error))
        if progress is not None:
            progress(bag)
    return counts, errors
