"""The success detector's judgements of episodes whose outcome is known otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.success.labels import truth_labels
from mtopt_spec.errors import InputError

MOST_EPISODES = 3000
"""More held-out episodes are thinned evenly: the page's figures stay sharp, the wait short."""


@dataclass(frozen=True)
class Judgements:
    """What a detector said, and what was so.

    Attributes:
        tasks: Names of the m columns.
        episodes: (n,) int, indices into the dataset.
        probability: (n, m) in [0, 1]; NaN where nothing is known.
        said: (n, m) bool, its decision at its own thresholds.
        truth: (n, m) bool; of no meaning where `probability` is NaN.
        calibrated: Whether `probability` is meant as one (labels bend it to decide at 0.5).
        origin: Which episodes these are, in a sentence.
    """

    tasks: Sequence[str]
    episodes: np.ndarray
    probability: np.ndarray
    said: np.ndarray
    truth: np.ndarray
    calibrated: bool
    origin: str


def held_out_judgements(dataset: Dataset, folder: Path) -> Judgements:
    """A detector's judgements of the episodes that its training left out.

    Raises:
        InputError: The detector is damaged, or for other tasks or pictures than the dataset.
    """
    from mtopt_learning.success.detector import SuccessDetector
    from mtopt_learning.success.held_out import judge

    detector = SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
    held = judge(dataset, detector, truth_labels(dataset)[0], MOST_EPISODES)
    if not len(held.episodes):
        raise InputError(
            "dataset", where=dataset.folder, got="no held-out episode of known outcome",
            expected="one at least", todo="give the dataset that the detector was trained on",
        )  # fmt: skip
    count = f"{len(held.episodes):,} episodes"
    return Judgements(
        dataset.tasks,
        held.episodes,
        np.where(np.isfinite(held.labels), held.probability, np.nan),
        held.said,
        held.labels >= 0.5,
        True,
        f"{count} that training left out; what set thresholds and calibration is judged by those "
        "of its other half."
        if detector.used
        else f"{count}: the detector does not tell which ones it was trained on, so this may be no "
        "test.",
    )


def stored_judgements(dataset: Dataset) -> Judgements | None:
    """The detector's labels that the dataset holds, of all its episodes; None without any."""
    judged, outcomes = dataset.labels("detector"), truth_labels(dataset)[0]
    both = np.isfinite(judged) & np.isfinite(outcomes)
    episodes = np.flatnonzero(both.any(1))
    if not len(episodes):
        return None
    judged = np.where(both, judged, np.nan)[episodes]
    return Judgements(
        dataset.tasks,
        episodes,
        judged,
        judged >= 0.5,
        outcomes[episodes] >= 0.5,
        False,
        f"the labels in the dataset, {len(episodes):,} episodes: those that the detector was "
        "trained on are among them, so this is no test.",
    )
