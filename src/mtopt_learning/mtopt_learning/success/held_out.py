"""Judgements of the labelled episodes that a detector's training did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_learning.success.budget import TRAIN, VALIDATION
from mtopt_learning.success.calibration import cross_calibrated
from mtopt_learning.success.detector import SuccessDetector
from mtopt_learning.success.labels import place_used
from mtopt_learning.success.metrics import confusion, measure


@dataclass(frozen=True)
class HeldOut:
    """What a detector said of labelled episodes that its training did not see.

    Attributes:
        episodes: (n,) int, indices into the data set.
        said: (n, tasks) bool, its decisions.
        probability: (n, tasks) in [0, 1].
        labels: (n, tasks) that count as true, NaN unknown.
    """

    episodes: np.ndarray
    said: np.ndarray
    probability: np.ndarray
    labels: np.ndarray


def judge(
    dataset, detector: SuccessDetector, labels: np.ndarray, most: int | None = None
) -> HeldOut:
    """Lets a detector judge what it was not trained on.

    Labels that set its calibration are judged by each other's halves (`cross_calibrated`), all
    others as the detector does.

    Args:
        dataset: A `Dataset`, that of its training or another.
        detector: To be tested.
        labels: (episodes, tasks) that count as true, NaN unknown.
        most: Of more episodes than these only so many are judged, evenly spread.
    """
    used, _ = place_used(dataset, detector.used)
    episodes = np.flatnonzero(~(used == TRAIN).any(1) & np.isfinite(labels).any(1))
    if most is not None and len(episodes) > most:
        episodes = episodes[np.linspace(0, len(episodes) - 1, most).astype(int)]
    logits, labels = detector.logits(dataset, episodes), labels[episodes]
    calibrations = detector.calibrations
    probability = np.stack([c.probability(logits[:, t]) for t, c in enumerate(calibrations)], 1)
    said = probability >= [c.threshold for c in calibrations]
    validation = used[episodes] == VALIDATION
    if validation.any():
        rows = validation.any(1)
        told = np.where(validation, labels, np.nan)[rows]
        rate = detector.training.false_positive_rate
        crossed = cross_calibrated(logits[rows], told, rate)
        said[rows] = np.where(validation[rows], crossed[0], said[rows])
        probability[rows] = np.where(validation[rows], crossed[1], probability[rows])
    return HeldOut(episodes, said, probability, labels)


def held_out_metrics(dataset, detector: SuccessDetector, labels: np.ndarray) -> dict:
    """How well a detector judges what it was not trained on; arguments as of `judge`.

    Returns:
        `episodes`, how many were judged; `tasks`, task to `judge_metrics`, and in it `own`: the
        counts and rates of only the episodes that were collected for the task.
    """
    held = judge(dataset, detector, labels)
    tasks = measure(held.said, held.probability, held.labels, detector.calibrations, dataset.tasks)
    for t, name in enumerate(dataset.tasks):
        own = (dataset.episode_task[held.episodes] == t) & np.isfinite(held.labels[:, t])
        tasks[name]["own"] = confusion(held.said[own, t], held.labels[own, t] >= 0.5)
    return {"episodes": len(held.episodes), "tasks": tasks}
