"""What the page says of the success detector."""

from __future__ import annotations

import numpy as np
import pytest

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.report.detector import (
    calibration_error,
    confusion_row,
    detector_section,
    reliability,
)
from mtopt_learning.report.judgements import held_out_judgements, stored_judgements
from mtopt_learning.success.training import validation_mask


def test_confusion_of_a_hand_counted_case():
    probability = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.1])
    truth = np.array([True, True, False, True, False, False])
    row = confusion_row("lift-any", probability, probability >= 0.5, truth)
    assert [count for _, count, _ in row["cells"]] == [2, 1, 1, 2]
    assert (row["precision"], row["recall"], row["auc"]) == ("67 %", "67 %", "0.889")


def test_reliability_of_a_hand_counted_case():
    probability, truth = np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])
    curve = reliability(probability, truth)
    np.testing.assert_allclose([curve.x, curve.y], [[0.05, 0.95], [0.5, 1.0]])
    assert calibration_error(probability, truth) == pytest.approx((0.45 + 0.05) / 2)


def test_only_episodes_that_training_left_out_are_judged(dataset_folder, detector_folder):
    dataset = Dataset.open(dataset_folder)
    judged = held_out_judgements(dataset, detector_folder)
    held = validation_mask(dataset.n_episodes, 0.2, 0)
    assert 0 < len(judged.episodes) < dataset.n_episodes / 2
    assert held[judged.episodes].all()
    known = np.isfinite(judged.probability)
    labels = dataset.labels("simulator")[judged.episodes]
    np.testing.assert_array_equal(known, np.isfinite(labels))
    np.testing.assert_array_equal(judged.truth[known], labels[known] >= 0.5)
    section = detector_section(detector_folder, dataset)
    total = section.data["rows"][-1]
    assert sum(count for _, count, _ in total["cells"]) == known.sum()
    assert section.data["reliability"] and "left out" in section.data["origin"]


def test_a_persons_label_is_the_truth_where_there_is_one(dataset_folder, detector_folder):
    dataset = Dataset.open(dataset_folder)
    person = np.full(dataset.labels("simulator").shape, np.nan)
    person[0, 0] = 1.0 - dataset.labels("simulator")[0, 0]
    dataset.write_labels("person", person)
    try:
        judged = stored_judgements(dataset)
        assert judged.episodes[0] == 0 and judged.truth[0, 0] == (person[0, 0] >= 0.5)
    finally:
        for path in dataset_folder.glob("labels_person.*"):
            path.unlink()


def test_without_the_detector_labels_are_shown_as_no_test(dataset_folder):
    section = detector_section(None, Dataset.open(dataset_folder))
    assert not section.missing and "no test" in section.data["origin"]
    assert not section.data["reliability"]
