"""Labels: which there are, which of them are used, and files of them."""

import json

import numpy as np
import pytest
from reach_bags import open_dataset, write_bags

from mtopt_bringup.main import main
from mtopt_learning.dataset import build
from mtopt_learning.qlearn.trunk import STATE_SCALE
from mtopt_learning.success.budget import (
    NEIGHBOURS,
    TRAIN,
    UNUSED,
    VALIDATION,
    LabelBudget,
    choose_labels,
    near_miss_pairs,
)
from mtopt_learning.success.labels import (
    PARTS,
    UsedLabel,
    list_used,
    place_used,
    read_label_file,
    read_used,
    shares_id,
    to_csv,
    truth_labels,
)
from mtopt_spec.errors import InputError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """400 episodes of two robots; not to be changed."""
    folder = tmp_path_factory.mktemp("labels")
    write_bags(folder / "bags", 200)
    write_bags(folder / "bags", 200, seed=1, robot="robot_2")
    return open_dataset(folder / "bags", folder / "data")


def chosen(dataset, labels, **budget):
    held = np.random.default_rng(7).random(dataset.n_episodes) < 0.2
    random = np.random.default_rng(0)
    return choose_labels(dataset, labels, held, LabelBudget(**budget), random), held


def test_no_task_gets_more_labels_than_its_budget(dataset):
    labels = dataset.labels().copy()
    labels[::2, 2] = np.nan  # of this task fewer are known
    table, held = chosen(dataset, labels, labels_per_task=100)
    assert ((table > 0).sum(0) == 100).all() and not (table[::2, 2] > 0).any()
    assert ((table == VALIDATION).sum(0) == 20).all()
    assert not (table[held] == TRAIN).any() and not (table[~held] == VALIDATION).any()
    everything, _ = chosen(dataset, labels, labels_per_task=1000)
    np.testing.assert_array_equal(everything > 0, np.isfinite(labels))


def test_training_labels_of_a_rare_success_hold_more_of_them_than_chance(dataset):
    labels = dataset.labels()
    share = (labels[:, 0] >= 0.5).mean()
    for pair_share, least, most in ((1.0, 0.49, 0.51), (0.0, share - 0.12, share + 0.12)):
        table, _ = chosen(dataset, labels, labels_per_task=150, pair_share=pair_share)
        got = (labels[table[:, 0] == TRAIN, 0] >= 0.5).mean()
        assert least <= got <= most
    assert share < 0.45


def test_a_partner_is_of_the_same_robot_and_time_and_ends_most_alike(dataset):
    labels = dataset.labels()[:, 0]
    won, lost = np.flatnonzero(labels >= 0.5), np.flatnonzero(labels < 0.5)
    pairs = near_miss_pairs(dataset, won, lost, 40, np.random.default_rng(0))
    assert len(pairs) == 40 == len(set(pairs[:, 0])) == len(set(pairs[:, 1]))
    assert (labels[pairs] >= 0.5).tolist() == [[True, False]] * 40
    assert (dataset.robot[pairs[:, 0]] == dataset.robot[pairs[:, 1]]).all()
    success, partner = pairs[0]
    mine = lost[dataset.robot[lost] == dataset.robot[success]]
    near = mine[np.argsort(np.abs(mine - success), kind="stable")]
    before, after = near[near < success][:NEIGHBOURS], near[near > success][:NEIGHBOURS]
    end = dataset.state[dataset.last_row(np.arange(400))] * np.float32(STATE_SCALE)
    candidates = np.concatenate([before, after])
    apart = np.linalg.norm(end[candidates] - end[success], axis=1)
    assert partner == candidates[np.argmin(apart)]


def test_labels_in_use_stay_and_count(dataset):
    labels = dataset.labels()
    first, held = chosen(dataset, labels, labels_per_task=60)
    more = choose_labels(dataset, labels, held, LabelBudget(100), np.random.default_rng(1), first)
    assert (more[first > 0] == first[first > 0]).all()
    assert ((more > 0).sum(0) == 100).all()


def test_the_best_source_counts_and_is_told(dataset, tmp_path):
    person = np.full(dataset.labels().shape, np.nan)
    person[3, 0] = 1 - dataset.labels()[3, 0]
    dataset.write_labels("person", person)
    try:
        labels, by = truth_labels(dataset)
    finally:
        for path in dataset.folder.glob("labels_person.*"):
            path.unlink()
    assert labels[3, 0] == person[3, 0] and by[3, 0] == 0
    assert by[4, 0] == 2 and (labels[4] == dataset.labels()[4]).all()
    table = np.zeros(labels.shape, np.int8)
    table[3, 0], table[4, 1] = TRAIN, VALIDATION
    used = list_used(dataset, table, labels, by, ("person", "import", "simulator"))
    ids = dataset.episode_ids
    assert used == [
        UsedLabel(ids[3], "lift-red", int(person[3, 0]), "person", "train"),
        UsedLabel(ids[4], "lift-blue", int(labels[4, 1]), "simulator", "validation"),
    ]
    (tmp_path / "labels.csv").write_bytes(to_csv(used))
    assert read_used(tmp_path / "labels.csv") == tuple(used)
    gone = UsedLabel("gone", "lift-red", 1, "person", "train")
    placed, success = place_used(dataset, [*used, gone])
    np.testing.assert_array_equal(placed, table)
    assert success[3, 0] == person[3, 0] and np.isnan(success[placed == UNUSED]).all()
    answers = read_label_file(tmp_path / "labels.csv", dataset)  # other columns are not read
    np.testing.assert_array_equal(np.isfinite(answers), table > 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("episode,task,success\n", "columns in .*line 1"),
        ("episode_id,task,success\nnone,lift-red,1\n", "episode_id in .*line 2.*'none'"),
        ("episode_id,task,success\nrobot_1-0-0,fly,1\n", "task in .*line 2.*'fly'"),
        ("episode_id,task,success\nrobot_1-0-0,lift-red,yes\n", "success in .*line 2.*'yes'"),
        ("episode_id,task,success\nrobot_1-0-0,lift-red,1\nrobot_1-0-0,lift-red,0\n",
         "success in .*line 3.*as in a line before"),
        ("episode_id,task,success\nrobot_1-0-0\n", "task in .*line 2.*None"),
        (None, "labels in .*No such file"),
    ],
)  # fmt: skip
def test_a_bad_label_file_is_refused_with_its_line(dataset, tmp_path, text, message):
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_label_file(tmp_path / "labels.csv", dataset)


def test_rows_without_an_answer_count_for_nothing(dataset, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("task,success,episode_id\nlift-red,,robot_1-0-0\nlift-blue, 0 ,robot_1-0-0\n")
    labels = read_label_file(path, dataset)
    row = list(dataset.episode_ids).index("robot_1-0-0")
    assert labels[row, 1] == 0 and np.isfinite(labels).sum() == 1


def test_half_of_what_is_drawn_blindly_was_collected_for_the_task(dataset):
    own = dataset.episode_task == 0
    rare = own & (np.cumsum(own) <= 60)  # only so many are labelled
    labels = np.where((rare | ~own)[:, None], dataset.labels(), np.nan)
    table, held = chosen(dataset, labels, labels_per_task=100, pair_share=0.0)
    for part, room in ((TRAIN, 80), (VALIDATION, 20)):
        there = int((rare & (held == (part == VALIDATION))).sum())
        assert (table[own, 0] == part).sum() == min(room / 2, there)
        assert (table[:, 0] == part).sum() == room


@pytest.fixture
def twice(tmp_path, monkeypatch):
    """80 episodes of two runs of one name, as older versions built them: 50 have ids of others."""
    monkeypatch.setattr(build._Cache, "_refuse_known", lambda *_: None, raising=False)
    write_bags(tmp_path / "a", 55)
    write_bags(tmp_path / "b", 25)
    open_dataset(tmp_path / "a", tmp_path / "data")
    return open_dataset(tmp_path / "b", tmp_path / "data")


def test_episodes_that_share_their_ids_are_neither_learned_from_nor_tested_nor_asked_about(
    twice, tmp_path, capsys
):
    data, out, ask = (str(tmp_path / name) for name in ("data", "detector", "ask.csv"))
    shared = shares_id(twice)
    assert shared.tolist() == [True] * 25 + [False] * 30 + [True] * 25

    def run(*arguments):
        assert main(["success", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    taught = run("train", data, "--out", out, "--steps", "2", "--threads", "1")
    assert {sum(task[p] for p in PARTS) for task in taught["labels"].values()} == {30}
    used = read_used(tmp_path / "detector" / "labels.csv")
    table, _ = place_used(twice, used)
    assert table.shape == (80, 3) and (table > 0).sum() == len(used) == 90
    assert not table[shared].any()
    assert run("eval", data, "--detector", out)["episodes"] == (table == VALIDATION).any(1).sum()
    (tmp_path / "detector" / "labels.csv").unlink()  # nothing is used: everything can be asked
    run("uncertain", data, "--detector", out, "--out", ask, "--per-task", "80")
    lines = (tmp_path / "ask.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == set(twice.episode_ids[~shared])


def test_a_label_of_an_id_that_several_episodes_have_is_refused(twice, tmp_path):
    path, ids = tmp_path / "labels.csv", twice.episode_ids
    path.write_text(f"episode_id,task,success\n{ids[30]},lift-red,1\n")
    assert np.argwhere(np.isfinite(read_label_file(path, twice))).tolist() == [[30, 0]]
    path.write_text(f"episode_id,task,success\n{ids[30]},lift-red,1\n{ids[3]},lift-red,1\n")
    with pytest.raises(InputError, match=f"line 3: got '{ids[3]}'.*one episode.*no other"):
        read_label_file(path, twice)
