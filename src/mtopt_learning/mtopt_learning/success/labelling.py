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
    about = dataset.labels_about(SOURCE)
    same = detector.fingerprint != "" and about.get("fingerprint") == detector.fingerprint
    first = int(about.get("episodes", 0)) if same else 0
    labels = dataset.labels(SOURCE)
    for begin in range(first, dataset.n_episodes, CHUNK):
        episodes = np.arange(begin, min(begin + CHUNK, dataset.n_episodes))
        labels[episodes] = detector.label(dataset, episodes)
        if progress:
            progress(len(episodes))
    if first < dataset.n_episodes or not same:
        dataset.write_labels(
            SOURCE, labels, {"fingerprint": detector.fingerprint, "episodes": dataset.n_episodes}
        )
    return dataset.n_episodes - first
