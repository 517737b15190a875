"""Judgements of the labelled episodes that a detector's training did not see."""

from __future__ import annotations

import numpy as np

from mtopt_learning.success.budget import TRAIN, VALIDATION
from mtopt_learning.success.calibration import cross_calibrated
from mtopt_learning.success.detector import SuccessDetector
from mtopt_learning.success.labels import place_used
from mtopt_learning.success.metrics import confusion, measure


def held_out_metrics(dataset, detector: SuccessDetector, labels: np.ndarray) -> dict:
    """How well a detector judges what it was not trained on.

    Labels that set its calibration are judged by each other's halves (`cross_calibrated`), all
    others as the detector does.

    Args:
        dataset: A `Dataset`, that of its training or another.
        detector: To be tested.
        labels: (episodes, tasks) that count as true, NaN unknown.

    Returns:
        `episodes`, how many were judged; `tasks`, task to `judge_metrics`, and in it `own`: the
        counts and rates of only the episodes that were collected for the task.
    """
    used, _ = place_used(dataset, detector.used)
    episodes = np.flatnonzero(~(used == TRAIN).any(1) & np.isfinite(labels).any(1))
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
    tasks = measure(said, probability, labels, calibrations, dataset.tasks)
    for t, name in enumerate(dataset.tasks):
        own = (dataset.episode_task[episodes] == t) & np.isfinite(labels[:, t])
        tasks[name]["own"] = confusion(said[own, t], labels[own, t] >= 0.5)
    return {"episodes": len(episodes), "tasks": tasks}
