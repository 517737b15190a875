"""What the page says of the success detector."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.report.detector import confusion_row, detector_section, reliability_curve
from mtopt_learning.report.judgements import held_out_judgements, stored_judgements
from mtopt_learning.report.volume import volume_section
from mtopt_learning.success.detector import LABELS, SuccessDetector
from mtopt_learning.success.held_out import judge


def test_confusion_of_a_hand_counted_case():
    probability = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.1])
    truth = np.array([True, True, False, True, False, False])
    row = confusion_row("lift-any", probability, probability >= 0.5, truth)
    assert [count for _, count, _ in row["cells"]] == [2, 1, 1, 2]
    assert (row["precision"], row["recall"], row["auc"]) == ("67 %", "67 %", "0.889")


def test_reliability_of_a_hand_counted_case():
    probability, truth = np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])
    curve = reliability_curve(probability, truth)
    np.testing.assert_allclose([curve.x, curve.y], [[0.05, 0.95], [0.5, 1.0]])


def test_only_episodes_that_training_left_out_are_judged_in_whatever_order_they_come(
    bags, dataset_folder, detector_folder, tmp_path
):
    build_dataset(
        find_bags([bags])[::-1], tmp_path / "data", Dataset.open(dataset_folder).tasks, threads=1
    )
    found = []
    for folder in (dataset_folder, tmp_path / "data"):
        dataset = Dataset.open(folder)
        judged = held_out_judgements(dataset, detector_folder)
        detector = SuccessDetector.load(detector_folder, dataset.tasks, dataset.cameras)
        trained_on = {label.episode_id for label in detector.used if label.part == "train"}
        ids = {str(name) for name in dataset.episode_ids[judged.episodes]}
        assert len(ids) > 10 and len(trained_on) > 10 and not ids & trained_on
        found.append((dataset.episode_ids[0], ids))
        known = np.isfinite(judged.probability)
        labels = dataset.labels("simulator")[judged.episodes]
        np.testing.assert_array_equal(known, np.isfinite(labels))
        np.testing.assert_array_equal(judged.truth[known], labels[known] >= 0.5)
        section = detector_section(detector_folder, dataset)
        total = section.data["rows"][-1]
        assert sum(count for _, count, _ in total["cells"]) == known.sum()
        assert section.data["reliability"] and "left out" in section.data["origin"]
    assert found[0][0] != found[1][0] and found[0][1] == found[1][1]


def test_a_detector_that_does_not_tell_its_labels_is_shown_as_no_test(
    dataset_folder, detector_folder, tmp_path
):
    shutil.copytree(detector_folder, tmp_path / "old")
    (tmp_path / "old" / LABELS).unlink()
    judged = held_out_judgements(Dataset.open(dataset_folder), tmp_path / "old")
    assert "no test" in judged.origin


def test_more_held_out_episodes_than_are_wanted_are_thinned(dataset_folder, detector_folder):
    dataset = Dataset.open(dataset_folder)
    detector = SuccessDetector.load(detector_folder, dataset.tasks, dataset.cameras)
    labels = dataset.labels("simulator")
    all_, some = (judge(dataset, detector, labels, most).episodes for most in (None, 7))
    assert len(some) == 7 < len(all_) and set(some) <= set(all_)
    assert (some[0], some[-1]) == (all_[0], all_[-1])


@pytest.mark.parametrize(("source", "who"), [("person", "a person"), ("import", "imported")])
def test_a_label_that_was_given_is_the_truth_where_there_is_one(dataset_folder, source, who):
    dataset = Dataset.open(dataset_folder)
    given = np.full(dataset.labels("simulator").shape, np.nan)
    given[0, 0] = 1.0 - dataset.labels("simulator")[0, 0]
    dataset.write_labels(source, given)
    try:
        judged = stored_judgements(dataset)
        assert judged.episodes[0] == 0 and judged.truth[0, 0] == (given[0, 0] >= 0.5)
        assert who in volume_section(dataset).data["sources"]
    finally:
        for path in dataset_folder.glob(f"labels_{source}.*"):
            path.unlink()


def test_without_the_detector_labels_are_shown_as_no_test(dataset_folder):
    section = detector_section(None, Dataset.open(dataset_folder))
    assert not section.missing and "no test" in section.data["origin"]
    assert not section.data["reliability"]
