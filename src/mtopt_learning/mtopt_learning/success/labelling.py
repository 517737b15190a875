"""The detector judges every episode of a data set for every task."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtopt_learning.success.detector import SOURCE, SuccessDetector

CHUNK = 1024


def label_episodes(
    dataset, detector: SuccessDetector, progress: Callable[[int], None] | None = None
) -> int:
    """Writes the detector's labels beside the data set; those it has judged before stay.

    What it has judged when it is interrupted is written too, and the next call goes on there.

    Labels of another detector (the same one before it was retrained, too) are replaced, all of
    them: one data set holds the judgements of one detector. So it may be called after each
    collection and after each retraining, and does what is new.

    Args:
        dataset: A `Dataset`, opened after it has grown; `labels("detector")` and `labels("best")`
            hold the judgements afterwards.
        detector: Of the data set's tasks and cameras.
        progress: Told the number of episodes judged, a part at a time.

    Returns:
        Number of episodes that were judged now.
    """
    first = judged = judged_before(dataset, detector)
    labels = dataset.labels(SOURCE)
    try:
        while judged < dataset.n_episodes:
            episodes = np.arange(judged, min(judged + CHUNK, dataset.n_episodes))
            labels[episodes] = detector.label(dataset, episodes)
            judged += len(episodes)
            if progress:
                progress(len(episodes))
    finally:
        labels[judged:] = np.nan
        if judged > first:
            dataset.write_labels(
                SOURCE, labels, {"fingerprint": detector.fingerprint, "episodes": judged}
            )
    return judged - first


def judged_before(dataset, detector: SuccessDetector) -> int:
    """How many episodes, the first ones, this very detector has judged already."""
    about = dataset.labels_about(SOURCE)
    same = detector.fingerprint != "" and about.get("fingerprint") == detector.fingerprint
    return int(about.get("episodes", 0)) if same else 0
