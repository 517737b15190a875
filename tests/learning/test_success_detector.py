"""The success detector: learns, is calibrated, and is refused where it does not fit."""

import numpy as np
import pytest
from reach_world import CAMERAS, TASKS

from mtopt_learning.success.calibration import Calibration, calibrate
from mtopt_learning.success.detector import SuccessDetector, save_detector
from mtopt_learning.success.metrics import confusion
from mtopt_learning.success.training import SuccessTrainConfig, train_detector, validation_mask
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import encode_jpeg
from mtopt_spec.observation import Observation

CONFIG = SuccessTrainConfig(steps=120, batch=64)


@pytest.fixture(scope="module")
def trained(toy):
    return train_detector(toy, toy.labels(), CONFIG)


def test_judges_episodes_that_it_has_not_seen(trained):
    for task in ("lift-red", "lift-blue"):
        metrics = trained.metrics[task]
        assert metrics["precision"] > 0.75 and metrics["recall"] > 0.75
        assert metrics["true_positive"] + metrics["false_negative"] > 50


def test_saved_loaded_and_judging_like_the_data_set(trained, toy, tmp_path):
    save_detector(tmp_path / "d", trained, toy.tasks, toy.cameras, CONFIG, "data")
    detector = SuccessDetector.load(tmp_path / "d", TASKS.names, CAMERAS)
    labels = detector.label(toy, np.arange(50))
    agree = (labels[:, :2] >= 0.5) == (toy.labels()[:50, :2] >= 0.5)
    assert labels.shape == (50, 3) and agree.mean() > 0.9
    row = toy.last_row(3)
    x, y = toy.state[row, 2:4]
    seen = Observation(
        0.0, {c: encode_jpeg(toy.images[c][row]) for c in CAMERAS}, False, 0.1, (x, y, 0.1, 0.0)
    )
    judged = detector.judge("robot_1", seen)
    assert [label.task for label in judged] == list(TASKS.names)
    np.testing.assert_allclose([j.probability for j in judged], labels[3], atol=0.15)
    assert all(j.source == "detector" and j.success == (j.probability >= 0.5) for j in judged)


def test_a_detector_of_other_tasks_and_a_wrong_picture_are_refused(trained, toy, tmp_path):
    save_detector(tmp_path / "d", trained, toy.tasks, toy.cameras, CONFIG)
    with pytest.raises(InputError, match="tasks"):
        SuccessDetector.load(tmp_path / "d", ("lift-red",))
    detector = SuccessDetector.load(tmp_path / "d")
    small = {c: encode_jpeg(np.zeros((8, 8, 3), np.uint8)) for c in CAMERAS}
    with pytest.raises(InputError, match="8x8"):
        detector.judge("robot_1", Observation(0.0, small, False, 0.1, (0, 0, 0.1, 0)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("false_positive_rate", 0.0),
        ("false_positive_rate", 1.0),
        ("pair_share", -0.1),
        ("validation_share", float("nan")),
    ],
)
def test_a_share_or_rate_that_cannot_be_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name} .*got {value}"):
        SuccessTrainConfig(**{name: value})


def test_too_few_labels_are_said(toy):
    labels = np.full_like(toy.labels(), np.nan)
    labels[:4] = 1
    with pytest.raises(InputError, match="labelled episodes"):
        train_detector(toy, labels, CONFIG)


def test_an_episode_stays_on_its_side_as_the_data_grows():
    few, many = validation_mask(100, 0.2, 3), validation_mask(1000, 0.2, 3)
    np.testing.assert_array_equal(few, many[:100])
    assert 0.15 < many.mean() < 0.25


def test_calibration_recovers_scale_and_rate():
    random = np.random.default_rng(0)
    true_logit = random.normal(-1.5, 1.5, 4000)
    label = random.random(4000) < 1 / (1 + np.exp(-true_logit))
    calibration = calibrate(3.0 * true_logit + 2.0, label)  # overconfident and too hopeful
    assert calibration.temperature == pytest.approx(3.0, rel=0.15)
    assert calibration.bias == pytest.approx(-2.0 / 3.0, abs=0.2)
    p = calibration.probability(3.0 * true_logit + 2.0)
    assert p.mean() == pytest.approx(label.mean(), abs=0.01)


def test_scores_cross_a_half_at_the_threshold_and_keep_their_order():
    calibration = Calibration(threshold=0.3)
    logits = np.log(
        np.array([0.01, 0.2999, 0.3001, 0.9]) / (1 - np.array([0.01, 0.2999, 0.3001, 0.9]))
    )
    scores = calibration.score(logits)
    assert np.all(np.diff(scores) > 0) and (scores >= 0.5).tolist() == [False, False, True, True]


def test_too_few_examples_leave_a_task_uncalibrated():
    assert calibrate(np.zeros(50), np.arange(50) < 3) == Calibration()


def test_confusion_by_hand():
    counts = confusion(np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool))
    assert counts["true_positive"] == 2 and counts["false_negative"] == 1
    assert counts["precision"] == pytest.approx(2 / 3)
    assert np.isnan(confusion(np.zeros(3, bool), np.zeros(3, bool))["precision"])
