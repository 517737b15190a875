"""Thresholds that hold to a false-positive rate, and what is measured of a detector."""

import numpy as np
import pytest

from mtopt_learning.success.calibration import (
    Calibration,
    calibrate,
    cross_calibrated,
    failures_needed,
    threshold_for_rate,
)
from mtopt_learning.success.metrics import calibration_error, judge_metrics, reliability


def test_threshold_of_a_hand_counted_case():
    failures = np.arange(100) / 100  # 0.00 .. 0.99
    # of 101 the (k + 1) highest have share <= 0.05 for k = 4: four of the hundred may lie above
    threshold = threshold_for_rate(failures, 0.05)
    assert 0.95 < threshold < 0.951 and (failures >= threshold).sum() == 4


def test_new_failures_are_misjudged_at_most_at_the_stated_rate():
    random = np.random.default_rng(0)
    rates = []
    for _ in range(200):
        threshold = threshold_for_rate(random.normal(size=200), 0.02)
        rates.append((random.normal(size=5000) >= threshold).mean())
    assert 0.01 < np.mean(rates) <= 0.0205


def test_the_rate_is_held_where_it_can_be_stated_and_f1_counts_else():
    random = np.random.default_rng(1)
    assert failures_needed(0.02) == 150

    def task(failures):
        label = np.concatenate([np.zeros(failures), np.ones(100)])
        return random.normal(size=len(label)) + 1.5 * label, label

    logit, label = task(2000)
    strict = calibrate(logit, label, 0.02)
    assert strict.chosen_by == "false_positive_rate"
    said = strict.probability(logit) >= strict.threshold
    assert (said & (label == 0)).sum() <= 40
    loose = calibrate(logit, label, 0.5)
    assert loose.threshold < strict.threshold
    assert calibrate(*task(149), 0.02).chosen_by == "f1"
    assert calibrate(*task(4), 0.02) == Calibration()


def test_a_half_is_judged_by_the_other_half():
    random = np.random.default_rng(2)
    label = (random.random((400, 1)) < 0.5).astype(float)
    logit = 4 * label - 2 + random.normal(size=label.shape)
    logit[1::2] += 10  # the two halves could not be more unlike
    said, probability = cross_calibrated(logit, label, 0.4)
    assert not said[::2].any() and said[1::2].all()
    own = calibrate(logit[::2, 0], label[::2, 0], 0.4)
    np.testing.assert_allclose(probability[1::2, 0], own.probability(logit[1::2, 0]))


def test_metrics_of_a_hand_counted_case():
    said = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    truth = np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)
    probability = np.array([0.95, 0.95, 0.95, 0.05, 0.05, 0.05, 0.05, 0.05])
    metrics = judge_metrics(said, probability, truth)
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["recall"] == pytest.approx(2 / 3)
    assert metrics["false_positive_rate"] == pytest.approx(1 / 5)
    low, high = metrics["false_positive_rate_low"], metrics["false_positive_rate_high"]
    assert 0.03 < low < 0.04 and 0.62 < high < 0.63  # Wilson's interval of 1 in 5
    points = metrics["reliability"]
    assert [(p["count"], p["succeeded"]) for p in points] == [(5, 0.2), (3, pytest.approx(2 / 3))]
    gap = (5 * abs(0.05 - 0.2) + 3 * abs(0.95 - 2 / 3)) / 8
    assert metrics["calibration_error"] == pytest.approx(gap)


def test_a_calibrated_judge_has_little_error_and_an_overconfident_one_much():
    random = np.random.default_rng(3)
    probability = random.random(20000)
    truth = random.random(20000) < probability
    assert calibration_error(probability, truth) < 0.02
    assert calibration_error((probability > 0.5) * 0.98 + 0.01, truth) > 0.2
    assert len(reliability(probability, truth)) == 10
