"""The detector's labels of a data set that grows while the detector is retrained."""

import numpy as np
import pytest
from reach_bags import open_dataset, write_bags

from mtopt_bringup.main import main
from mtopt_learning.success import labelling
from mtopt_learning.success.detector import SuccessDetector, save_detector
from mtopt_learning.success.labelling import label_episodes
from mtopt_learning.success.training import SuccessTrainConfig, train_detector


def trained(dataset, folder, seed):
    config = SuccessTrainConfig(steps=3, batch=16, seed=seed)
    save_detector(folder, train_detector(dataset, dataset.labels(), config), dataset.tasks,
                  dataset.cameras, config)  # fmt: skip
    return SuccessDetector.load(folder)


def test_only_new_episodes_are_judged_until_the_detector_changes(tmp_path):
    bags, seen = write_bags(tmp_path / "bags", 30), []
    dataset = open_dataset(bags, tmp_path / "data")
    first = trained(dataset, tmp_path / "first", seed=0)
    assert label_episodes(dataset, first, seen.append) == 30 == sum(seen)
    before = dataset.labels("detector")
    np.testing.assert_allclose(before, first.label(dataset, np.arange(30)), atol=1e-6)
    assert label_episodes(dataset, first) == 0

    # bags of a live detector carry its labels; they are not those of the one that is asked now
    write_bags(bags, 10, seed=1, robot="robot_2", source="detector")
    dataset = open_dataset(bags, tmp_path / "data")
    assert label_episodes(dataset, first) == 10
    labels = dataset.labels("detector")
    np.testing.assert_array_equal(labels[:30], before)
    np.testing.assert_allclose(labels[30:], first.label(dataset, np.arange(30, 40)), atol=1e-6)

    second = trained(dataset, tmp_path / "second", seed=1)
    assert label_episodes(dataset, second) == 40
    relabelled = dataset.labels("detector")
    np.testing.assert_allclose(relabelled, second.label(dataset, np.arange(40)), atol=1e-6)
    assert np.abs(relabelled[:30] - before).max() > 0.01


def test_what_was_judged_when_it_was_interrupted_is_kept(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(labelling, "CHUNK", 8)
    dataset = open_dataset(write_bags(tmp_path / "bags", 30), tmp_path / "data")
    first, second = (trained(dataset, tmp_path / str(seed), seed) for seed in (0, 1))
    label_episodes(dataset, first)
    seen = []

    def interrupt(count):
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_episodes(dataset, second, interrupt)
    labels = dataset.labels("detector")
    np.testing.assert_allclose(labels[:16], second.label(dataset, np.arange(16)), atol=1e-6)
    assert np.isnan(labels[16:]).all(), "none of another detector"
    assert label_episodes(dataset, second) == 14
    whole = second.label(dataset, np.arange(30))
    np.testing.assert_allclose(dataset.labels("detector"), whole, atol=1e-6)
    assert main(["label", str(tmp_path / "data"), "--detector", str(tmp_path / "0")]) == 0
    assert "30/30" in capfd.readouterr().err
