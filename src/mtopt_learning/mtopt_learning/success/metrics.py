"""How well a detector judges: counts, rates with intervals, calibration, a task at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_learning.success.calibration import Calibration

BINS = 10
NAN = float("nan")


def confusion(predicted: np.ndarray, label: np.ndarray) -> dict:
    """Counts of the four cases and the rates of them; NaN where undefined.

    Args:
        predicted: (n,) bool.
        label: (n,) bool.

    Returns:
        `true_positive` .. `true_negative`; `precision`, `recall`, `false_positive_rate` (of the
        failures), `accuracy`, each with its 95 % Wilson interval as `<name>_low` and `<name>_high`.
    """
    tp = int((predicted & label).sum())
    fp = int((predicted & ~label).sum())
    fn = int((~predicted & label).sum())
    tn = int((~predicted & ~label).sum())
    out = {"true_positive": tp, "false_positive": fp, "false_negative": fn, "true_negative": tn}
    for name, part, whole in (
        ("precision", tp, tp + fp),
        ("recall", tp, tp + fn),
        ("false_positive_rate", fp, fp + tn),
        ("accuracy", tp + tn, len(label)),
    ):
        low, high = wilson_interval(part, whole)
        out |= {name: part / whole if whole else NAN, f"{name}_low": low, f"{name}_high": high}
    return out


def reliability(probability: np.ndarray, label: np.ndarray) -> list[dict]:
    """The reliability curve: a point a non-empty tenth of [0, 1].

    Args:
        probability: (n,) judged.
        label: (n,) bool.

    Returns:
        `judged` (mean probability), `succeeded` (share), `count`, and the share's 95 % interval
        as `low` and `high`.
    """
    bins, points = _bins(probability), []
    for b in np.unique(bins):
        mine = bins == b
        count, successes = int(mine.sum()), int(label[mine].sum())
        low, high = wilson_interval(successes, count)
        points.append(
            {"judged": float(probability[mine].mean()), "succeeded": successes / count,
             "count": count, "low": low, "high": high}
        )  # fmt: skip
    return points


def calibration_error(probability: np.ndarray, label: np.ndarray) -> float:
    """Expected calibration error: mean distance of the reliability curve from the diagonal.

    Over ten bins of equal width, weighted by their counts (M. P. Naeini, G. F. Cooper and
    M. Hauskrecht, 2015, AAAI).
    """
    points = reliability(probability, label)
    gaps = [p["count"] * abs(p["judged"] - p["succeeded"]) for p in points]
    return sum(gaps) / max(len(probability), 1)


def judge_metrics(said: np.ndarray, probability: np.ndarray, label: np.ndarray) -> dict:
    """Everything that is measured of one task.

    Args:
        said: (n,) bool, decisions.
        probability: (n,) calibrated.
        label: (n,) bool.
    """
    return {
        "labels": len(label),
        **confusion(said, label),
        "calibration_error": calibration_error(probability, label) if len(label) else NAN,
        "reliability": reliability(probability, label),
    }


def measure(
    said: np.ndarray,
    probability: np.ndarray,
    labels: np.ndarray,
    calibrations: Sequence[Calibration],
    tasks: Sequence[str],
) -> dict:
    """Task to `judge_metrics` and its threshold, on labelled states only.

    Args:
        said: (n, tasks) bool, decisions.
        probability: (n, tasks).
        labels: (n, tasks), NaN unknown.
        calibrations: One a task.
        tasks: Names.
    """
    out = {}
    for t, (name, calibration) in enumerate(zip(tasks, calibrations, strict=True)):
        known = np.isfinite(labels[:, t])
        out[name] = {
            **judge_metrics(said[known, t], probability[known, t], labels[known, t] >= 0.5),
            "threshold": calibration.threshold,
            "threshold_chosen_by": calibration.chosen_by,
            "temperature": calibration.temperature,
        }
    return out


def mean_accuracy(metrics: dict) -> float:
    """Over the tasks with labels; NaN without any."""
    values = [task["accuracy"] for task in metrics.values() if task["labels"]]
    return sum(values) / len(values) if values else NAN


def _bins(probability: np.ndarray) -> np.ndarray:
    """(n,) int, the tenth of [0, 1] that a probability lies in."""
    return np.minimum((np.asarray(probability) * BINS).astype(int), BINS - 1)
