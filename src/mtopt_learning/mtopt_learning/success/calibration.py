"""From logits to probabilities that mean something, and to a decision, a task at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MIN_OF_EACH = 5
"""Fewer validation examples of either outcome leave a task uncalibrated."""
MOST_THRESHOLD = 1 - 1e-6


@dataclass(frozen=True)
class Calibration:
    """Of one task.

    Attributes:
        temperature: Logits are divided by it.
        bias: Added after that; training balances the outcomes, this puts their rate right.
        threshold: Probability from which on a state counts as a success.
        chosen_by: What the threshold holds to: `false_positive_rate`; `f1` where validation has
            too few failures to state that rate; `default` where it is uncalibrated.
    """

    temperature: float = 1.0
    bias: float = 0.0
    threshold: float = 0.5
    chosen_by: str = "default"

    def probability(self, logit: np.ndarray) -> np.ndarray:
        """Calibrated probability of success."""
        return _sigmoid(np.asarray(logit, float) / self.temperature + self.bias)

    def score(self, logit: np.ndarray) -> np.ndarray:
        """The probability with its scale bent so that the threshold lies at 0.5.

        It is what labels hold: whoever reads them decides at 0.5.
        """
        p, t = self.probability(logit), self.threshold
        return np.where(p < t, 0.5 * p / t, 0.5 + 0.5 * (p - t) / (1 - t))


def calibrate(
    logit: np.ndarray, label: np.ndarray, false_positive_rate: float = 0.02
) -> Calibration:
    """The calibration of one task on validation data, whose outcomes are as frequent as they are.

    Temperature and bias have the least cross-entropy. The threshold has the best F1 score of those
    that hold to the false-positive rate, as far as there are failures enough to state it.

    Args:
        logit: (n,).
        label: (n,) 0 or 1.
        false_positive_rate: Share of failures that may be taken for successes.
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
    failures = p[label < 0.5]
    least, chosen_by = 0.0, "f1"
    if failures_needed(false_positive_rate) <= len(failures):
        least, chosen_by = threshold_for_rate(failures, false_positive_rate), "false_positive_rate"
    thresholds = np.unique(np.maximum(np.linspace(0.2, 0.8, 61), least))
    scores = [f1_score(p >= t, label >= 0.5) for t in thresholds]
    best = np.flatnonzero(np.isclose(scores, max(scores)))
    threshold = float(thresholds[best[len(best) // 2]])
    return Calibration(float(1 / scale), float(bias), min(threshold, MOST_THRESHOLD), chosen_by)


def calibrate_all(
    logits: np.ndarray, labels: np.ndarray, false_positive_rate: float
) -> tuple[Calibration, ...]:
    """One calibration a task, of (n, tasks) logits and (n, tasks) labels, NaN unknown."""
    known = np.isfinite(labels)
    return tuple(
        calibrate(logits[k, t], labels[k, t] >= 0.5, false_positive_rate)
        for t, k in enumerate(known.T)
    )


def cross_calibrated(
    logits: np.ndarray, labels: np.ndarray, false_positive_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Judges each half of the states by the calibration of the other half.

    So validation data measures what it also sets, without flattering itself.

    Returns:
        (n, tasks) bool decisions; (n, tasks) probabilities.
    """
    said, probability = np.zeros(logits.shape, bool), np.zeros(logits.shape)
    half = np.arange(len(labels)) % 2 == 0
    for mine, other in ((half, ~half), (~half, half)):
        for t, c in enumerate(calibrate_all(logits[other], labels[other], false_positive_rate)):
            probability[mine, t] = c.probability(logits[mine, t])
            said[mine, t] = probability[mine, t] >= c.threshold
    return said, probability


def failures_needed(rate: float) -> int:
    """Failures with which a false-positive rate can be stated at all.

    With n failures and none of them misjudged the 95 % upper bound of the rate is about 3 / n (the
    rule of three: E. L. Hanley and A. Lippman-Hand, 1983, JAMA 249).
    """
    return math.ceil(3 / rate)


def threshold_for_rate(failures: np.ndarray, rate: float) -> float:
    """The least threshold by which a new failure is misjudged with at most probability `rate`.

    Of n failures at most k = floor(rate (n + 1)) - 1 lie at or above it, so that one more drawn
    like them is among the k + 1 highest of n + 1 with probability (k + 1) / (n + 1) <= rate: the
    quantile of split conformal prediction (V. Vovk et al., 2005, chapter 2).

    Args:
        failures: (n,) probabilities that failed states were given, n + 1 >= 1 / rate.
        rate: In (0, 1).
    """
    allowed = math.floor(rate * (len(failures) + 1)) - 1
    highest_kept = np.sort(failures)[len(failures) - 1 - allowed]
    return float(np.nextafter(highest_kept, 1.0))


def f1_score(predicted: np.ndarray, label: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    hits = float((predicted & label).sum())
    return 2 * hits / max(float(predicted.sum() + label.sum()), 1.0)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))
