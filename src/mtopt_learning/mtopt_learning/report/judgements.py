"""The success detector's judgements of episodes whose outcome is known otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_learning.dataset.cache import Dataset
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


def known_outcomes(dataset: Dataset) -> np.ndarray:
    """(episodes, tasks) float: judged by a person, else by the simulator; NaN unknown."""
    person = dataset.labels("person")
    return np.where(np.isnan(person), dataset.labels("simulator"), person)


def held_out_judgements(dataset: Dataset, folder: Path) -> Judgements:
    """A detector's judgements of the episodes that its training left out.

    Raises:
        InputError: The detector is damaged, or for other tasks or pictures than the dataset.
    """
    from mtopt_learning.checkpoint.configuration import from_plain
    from mtopt_learning.checkpoint.folder import load_folder
    from mtopt_learning.success.detector import KIND, SuccessDetector
    from mtopt_learning.success.training import SuccessTrainConfig, validation_mask

    config = load_folder(folder, KIND).config
    training = from_plain(SuccessTrainConfig, config["settings"].get("training"), folder)
    detector = SuccessDetector.load(folder, dataset.tasks, dataset.cameras)
    outcomes = known_outcomes(dataset)
    held = validation_mask(len(outcomes), training.validation_share, training.seed)
    episodes = np.flatnonzero(held & np.isfinite(outcomes).any(1))
    if not len(episodes):
        raise InputError(
            "dataset", where=dataset.folder, got="no held-out episode of known outcome",
            expected="one at least", todo="give the dataset that the detector was trained on",
        )  # fmt: skip
    if len(episodes) > MOST_EPISODES:
        at = np.linspace(0, len(episodes) - 1, MOST_EPISODES).astype(int)
        episodes = episodes[at]
    logits = detector.logits(dataset, episodes)
    calibrations = detector.calibrations
    columns = [c.probability(logits[:, t]) for t, c in enumerate(calibrations)]
    probability = np.stack(columns, 1)
    thresholds = np.array([c.threshold for c in calibrations])
    known = np.isfinite(outcomes[episodes])
    same = config.get("data_fingerprint") == dataset.fingerprint
    origin = (
        f"{len(episodes):,} episodes that training left out "
        f"({training.validation_share:.0%} of all); thresholds and calibration were set on them."
    )
    if not same:
        origin += " The dataset is not the very one of its training: it has grown, or is another."
    return Judgements(
        dataset.tasks,
        episodes,
        np.where(known, probability, np.nan),
        probability >= thresholds,
        outcomes[episodes] >= 0.5,
        True,
        origin,
    )


def stored_judgements(dataset: Dataset) -> Judgements | None:
    """The detector's labels that the dataset holds, of all its episodes; None without any."""
    judged, outcomes = dataset.labels("detector"), known_outcomes(dataset)
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
