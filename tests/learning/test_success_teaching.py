"""A detector is taught, asks, and is kept up with a world that changes."""

import shutil

import numpy as np
import pytest
from reach_bags import open_dataset, write_bags

from mtopt_learning.success.detector import LABELS, SuccessDetector
from mtopt_learning.success.held_out import held_out_metrics
from mtopt_learning.success.labels import place_used, read_used
from mtopt_learning.success.teaching import KeepUpConfig, keep_up, reward_labels, teach
from mtopt_learning.success.training import SuccessTrainConfig
from mtopt_spec.errors import InputError
from mtopt_spec.observation import Observation

LIGHT, CAMERA_SHIFT_PX = 0.55, 2
CONFIG = SuccessTrainConfig(steps=250, batch=64, labels_per_task=700, threads=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Bags of the world as it is, and fresh ones to test on as it will be."""
    folder = tmp_path_factory.mktemp("teaching")
    dataset = open_dataset(write_bags(folder / "bags", 800), folder / "data")
    taught = teach(dataset, folder / "detector", CONFIG)
    shifted = {"light": LIGHT, "camera_shift_px": CAMERA_SHIFT_PX}
    tests = {
        "before": open_dataset(write_bags(folder / "before", 400, seed=8), folder / "data_before"),
        "after": open_dataset(
            write_bags(folder / "after", 400, seed=9, **shifted), folder / "data_after"
        ),
    }
    return folder, dataset, taught, tests


def accuracy(folder, dataset):
    detector = SuccessDetector.load(folder)
    tasks = held_out_metrics(dataset, detector, dataset.labels())["tasks"]
    return np.mean([tasks[name]["accuracy"] for name in ("lift-red", "lift-blue")])


def test_what_was_taught_is_told(world):
    folder, dataset, taught, tests = world
    assert taught["labels"]["lift-red"] == {"train": 560, "validation": 140, "new": 700}
    metrics = taught["tasks"]["lift-red"]
    assert metrics["labels"] == 140 and metrics["threshold_chosen_by"] == "f1"
    used = read_used(folder / "detector" / LABELS)
    assert len(used) == 2100 and {label.source for label in used} == {"simulator"}
    test = held_out_metrics(tests["before"], SuccessDetector.load(folder / "detector"),
                            tests["before"].labels())  # fmt: skip
    assert test["episodes"] == 400
    own = tests["before"].episode_task == 0
    counts = test["tasks"]["lift-red"]["own"]
    assert sum(counts[key] for key in ("true_positive", "false_positive", "false_negative",
                                       "true_negative")) == own.sum()  # fmt: skip
    assert test["tasks"]["lift-red"]["accuracy"] > 0.85


def test_what_training_saw_is_no_test(world):
    folder, dataset, _, _ = world
    detector = SuccessDetector.load(folder / "detector")
    table, _ = place_used(dataset, detector.used)
    result = held_out_metrics(dataset, detector, dataset.labels())
    assert result["episodes"] == (~(table == 1).any(1)).sum() < 250


def test_few_labels_recover_what_another_light_and_camera_cost(world, tmp_path):
    folder, _, _, tests = world
    before, after = (accuracy(folder / "detector", tests[name]) for name in ("before", "after"))
    assert after < before - 0.10
    bags = tmp_path / "bags"
    shutil.copytree(folder / "bags", bags)
    shutil.copytree(folder / "data", tmp_path / "data")
    write_bags(bags, 400, seed=5, light=LIGHT, camera_shift_px=CAMERA_SHIFT_PX)
    dataset = open_dataset(bags, tmp_path / "data")
    detector = tmp_path / "detector"
    shutil.copytree(folder / "detector", detector)  # its episodes are the first 800 here
    config = KeepUpConfig(labels=150, steps=400, learning_rate=1e-3, labels_per_task=850)
    asked = keep_up(dataset, detector, config, first_episode=800)
    assert asked["asked"] == 450 and 0 < asked["wrong"] < 450
    assert {why: counts["asked"] for why, counts in asked["why"].items()}["blind"] == 135
    assert accuracy(detector, tests["after"]) > before - 0.05
    assert accuracy(detector, tests["before"]) > before - 0.05
    judge = SuccessDetector.load(detector)
    table, told = place_used(dataset, judge.used)
    assert ((table[800:] > 0).sum(0) == 150).all() and ((table > 0).sum(0) == 850).all()
    reward = reward_labels(dataset, judge)
    np.testing.assert_array_equal(reward[table > 0], told[table > 0])
    unlabelled = table == 0
    np.testing.assert_array_equal(reward[unlabelled], dataset.labels("detector")[unlabelled])
    # the budget is used up: nothing is asked, the detector stays, what is new is judged
    fingerprint = judge.fingerprint
    assert keep_up(dataset, detector, config)["asked"] == 0
    assert SuccessDetector.load(detector).fingerprint == fingerprint


def test_going_on_uses_the_old_labels_as_they_were_given(world, tmp_path):
    folder, dataset, _, _ = world
    start = SuccessDetector.load(folder / "detector")
    person = np.full(dataset.labels().shape, np.nan)
    person[:, 0] = 0.0  # a person contradicts everything
    dataset.write_labels("person", person)
    try:
        config = SuccessTrainConfig(steps=1, batch=16, labels_per_task=720, threads=1)
        result = teach(dataset, tmp_path / "next", config, start=start)
    finally:
        for path in folder.glob("data/labels_person.*"):
            path.unlink()
    assert {name: counts["new"] for name, counts in result["labels"].items()} == {
        "lift-red": 20, "lift-blue": 20, "place-any": 20,
    }  # fmt: skip
    used = SuccessDetector.load(tmp_path / "next").used
    assert used[: len(start.used)] == start.used
    new = used[len(start.used) :]
    assert {(label.source, label.task) for label in new} == {
        ("person", "lift-red"), ("simulator", "lift-blue"), ("simulator", "place-any"),
    }  # fmt: skip
    assert all(label.success == 0 for label in new if label.task == "lift-red")


def test_a_folder_of_something_else_is_refused_before_training(world, tmp_path):
    (tmp_path / LABELS).write_text("mine")
    steps = []
    with pytest.raises(InputError, match=f"{LABELS}.*name another folder"):
        teach(world[1], tmp_path, CONFIG, progress=steps.append)
    assert not steps and (tmp_path / LABELS).read_text() == "mine"


def test_a_damaged_list_of_labels_is_refused(tmp_path):
    (tmp_path / LABELS).write_text("episode_id,task\na,b\n")
    with pytest.raises(InputError, match="labels of a detector"):
        read_used(tmp_path / LABELS)


def test_with_first_pictures_it_sees_what_changed_and_judges_recordings_only(world, tmp_path):
    _, dataset, _, _ = world
    # success: a patch lay under the dot at first, which a last picture does not show
    first = dataset.images["wrist"][dataset.episode_start].std((1, 2, 3))
    labels = np.repeat((first > np.median(first))[:, None], 3, 1).astype(np.float32)
    dataset.write_labels("import", labels)
    accuracies = []
    try:
        for first_image in (False, True):
            config = SuccessTrainConfig(steps=160, batch=64, threads=1, first_image=first_image)
            result = teach(dataset, tmp_path / str(first_image), config, sources=("import",))
            accuracies.append(result["accuracy"])
    finally:
        for path in dataset.folder.glob("labels_import.*"):
            path.unlink()
    assert accuracies[1] > accuracies[0] + 0.1
    detector = SuccessDetector.load(tmp_path / "True")
    with pytest.raises(InputError, match="first pictures"):
        detector.judge("robot_1", Observation(0.0, {}, False, 0.1, (0, 0, 0.1, 0)))
