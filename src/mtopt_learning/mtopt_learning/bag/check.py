"""Reads a bag from end to end and says what is in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mtopt_learning.bag.picture_ages import PictureAges
from mtopt_learning.bag.reader import BagReader


def check_bag(bag: Path) -> tuple[Counter, PictureAges, list[str]]:
    """Reads every message of a closed bag.

    Args:
        bag: Its folder.

    Returns:
        Counts (`bags`, 1; `episodes`, `void`, `incomplete`, `dropped_frames`, `late_frames`,
        `stray_messages`), how old its pictures are, and which episodes are incomplete, in words.

    Raises:
        InputError: It cannot be read up to its end.
    """
    with BagReader(bag, joint_states=True) as reader:
        ages = PictureAges()
        for episode in reader.episodes():
            ages.add(episode)
        counts = Counter(bags=1) + reader.counts
        return counts, ages, [f"{bag}: incomplete episode {text}" for text in reader.problems]
