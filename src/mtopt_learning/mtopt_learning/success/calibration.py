"""From logits to probabilities that mean something, and to a decision, a task at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_OF_EACH = 5
"""Fewer validation examples of either outcome leave a task uncalibrated."""


@dataclass(frozen=True)
class Calibration:
    """Of one task.

    Attributes:
        temperature: Logits are divided by it.
        bias: Added after that; training balances the outcomes, this puts their rate right.
        threshold: Probability from which on a state counts as a success.
    """

    temperature: float = 1.0
    bias: float = 0.0
    threshold: float = 0.5

    def probability(self, logit: np.ndarray) -> np.ndarray:
        """Calibrated probability of success."""
        return _sigmoid(np.asarray(logit, float) / self.temperature + self.bias)

    def score(self, logit: np.ndarray) -> np.ndarray:
        """The probability with its scale bent so that the threshold lies at 0.5.

        It is what labels hold: whoever reads them decides at 0.5.
        """
        p, t = self.probability(logit), self.threshold
        return np.where(p < t, 0.5 * p / t, 0.5 + 0.5 * (p - t) / (1 - t))


def calibrate(logit: np.ndarray, label: np.ndarray) -> Calibration:
    """The calibration of one task on validation data, whose outcomes are as frequent as they are.

    Temperature and bias have the least cross-entropy; the threshold has the best F1 score.

    Args:
        logit: (n,).
        label: (n,) 0 or 1.
    """
    logit, label = np.asarray(logit, float), np.asarray(label, float)
    if min(label.sum(), (1 - label).sum()) < MIN_OF_EACH:
        return Calibration()
    scale, bias = 1.0, 0.0
    for _ in range(50):  # Newton's method on a convex problem, slightly damped towards scale 1
        p = _sigmoid(scale * logit + bias)
        weight = np.maximum(p * (1 - p), 1e-6)
        gradient = np.array([((p - label) * logit).sum() + (scale - 1.0), (p - label).sum()])
        hessian = np.array(
            [
                [(weight * logit**2).sum() + 1.0, (weight * logit).sum()],
                [(weight * logit).sum(), weight.sum() + 1e-3],
            ]
        )
        step = np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
        scale, bias = max(scale - step[0], 0.05), bias - step[1]
        if np.abs(step).max() < 1e-6:
            break
    p = _sigmoid(scale * logit + bias)
    thresholds = np.linspace(0.2, 0.8, 61)
    scores = [f1_score(p >= t, label >= 0.5) for t in thresholds]
    best = np.flatnonzero(np.isclose(scores, max(scores)))
    threshold = float(thresholds[best[len(best) // 2]])
    return Calibration(float(1 / scale), float(bias), threshold)


def f1_score(predicted: np.ndarray, label: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    hits = float((predicted & label).sum())
    return 2 * hits / max(float(predicted.sum() + label.sum()), 1.0)


def confusion(predicted: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Counts of the four cases, precision, recall and accuracy (NaN where undefined)."""
    tp = int((predicted & label).sum())
    fp = int((predicted & ~label).sum())
    fn = int((~predicted & label).sum())
    tn = int((~predicted & ~label).sum())
    nan = float("nan")
    return {
        "true_positive": tp, "false_positive": fp, "false_negative": fn, "true_negative": tn,
        "precision": tp / (tp + fp) if tp + fp else nan,
        "recall": tp / (tp + fn) if tp + fn else nan,
        "accuracy": (tp + tn) / max(tp + fp + fn + tn, 1),
    }  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))
