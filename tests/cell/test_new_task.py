"""`mtopt benchmark new-task` on a tiny experiment of `mtopt benchmark paper`."""

import json
import os
import shutil
from argparse import Namespace

import numpy as np
import pytest

from mtopt_bringup.benchmarks import new_task
from mtopt_bringup.newtask import config as sizes
from mtopt_bringup.newtask.base import find_base
from mtopt_bringup.newtask.config import NewTaskConfig
from mtopt_bringup.newtask.experiment import ROWS, NewTasks
from mtopt_bringup.newtask.handover import Asked, Handover, shares_of
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.experiment import Experiment
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.run_folder import load_run
from mtopt_sim.cell import cell_tasks
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer, PolicyRequest
from mtopt_spec.resources import share_dir

TASKS_FILE = share_dir() / "params" / "tasks_cloth.yaml"
WORLD = share_dir() / "worlds" / "cloth_cell.sdf"
NEW = ("lift-cloth", "cover-object")
TRAIN = TrainConfig(batch=16, terminate_states=4, threads=1, conservative_samples=2)
TINY = NewTaskConfig(rounds=2, steps=3, evaluation_episodes=1, share=0.5, robots=2, cells=1)


@pytest.fixture(scope="module", autouse=True)
def one_core():
    """Robots in this process: starting others would take longer than what they do."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Twelve tasks, twelve scripted episodes beside the lifts that prepare, four gradient steps."""
    out = tmp_path_factory.mktemp("base")
    config = PaperConfig(
        scripted_episodes=12, learned_rounds=0, learned_episodes=1, collector_steps=1, steps=4,
        evaluation_episodes=1, online_rounds=0, online_episodes=1, online_steps=1, lift_share=1,
        place_share=1, train=TRAIN, arms=("proposals",), robots=2,
    )  # fmt: skip
    assert Experiment(out, config, processes=1).run(("collect", "train"))["finished"]
    return out


@pytest.fixture(scope="module")
def done(base, tmp_path_factory):
    """The experiment and what it gave, stopped once before its first stage."""
    out = tmp_path_factory.mktemp("new")
    stopped = NewTasks(base, out, TINY, TASKS_FILE, WORLD, minutes=0).run()
    assert not stopped["finished"] and stopped["exit_code"] == 1
    assert not list((out / "stages").iterdir()) and not (out / "data").exists()
    return out, NewTasks(base, out, TINY, TASKS_FILE, WORLD).run()


@pytest.mark.timeout(600)
def test_it_measures_collects_and_learns_in_stages(base, done):
    out, result = done
    assert result["finished"] and result["exit_code"] == 0, result["errors"]
    for name in NEW:
        assert set(result["tasks"][name]) == set(ROWS)
        for score in result["tasks"][name].values():
            assert score["attempts"] == 1 and 0 <= score["low"] <= score["high"] <= 1
    old = Dataset.open(base / "data")
    assert result["new_episodes"] == 2 * int(0.5 * old.n_episodes / 2)
    assert result["new_share"] == pytest.approx(result["new_episodes"] / old.n_episodes, abs=1e-4)
    page = (out / "new-task.md").read_text()
    assert "| fine-tuned, old and new data |" in page and "0.44" in page
    assert json.loads((out / "results.json").read_text())["new_share"] == result["new_share"]


def test_old_episodes_are_failures_of_the_new_tasks_and_new_ones_are_judged(base, done):
    out, _ = done
    old, data = Dataset.open(base / "data"), Dataset.open(out / "data")
    labels = data.labels("best")
    assert data.tasks == (*old.tasks, *NEW)
    assert (labels[: old.n_episodes, -2:] == 0).all()
    np.testing.assert_array_equal(labels[: old.n_episodes, :-2], old.labels("best"))
    new = slice(old.n_episodes, None)
    assert np.isfinite(labels[new]).all(), "the simulator judges all fourteen"
    assert {data.tasks[i] for i in data.episode_task[new]} <= set(NEW)
    alone = Dataset.open(out / "new_data")
    np.testing.assert_array_equal(alone.episode_ids, data.episode_ids[new])


def test_the_runs_differ_in_what_they_learned_from(base, done):
    out, _ = done
    tasks = cell_tasks(TASKS_FILE)
    runs = {name: load_run(out / "runs" / name, tasks) for _, name in ROWS.values()}
    assert {n: run.step for n, run in runs.items()} == {
        "start": 4, "fine_tuned": 10, "control": 6, "no_old_data": 10,
    }  # fmt: skip
    gate = {name: run.online.task_gate.weight for name, run in runs.items()}
    lift, cloth = tasks.index_of("lift-any"), tasks.index_of("lift-cloth")
    assert (gate["start"][:, lift] == gate["start"][:, cloth]).all()
    assert (gate["fine_tuned"][:, lift] != gate["fine_tuned"][:, cloth]).any()
    assert abs(gate["control"] - gate["start"]).max() > 0.1, "from scratch"


def test_the_parents_policy_explores_first(base, done):
    out, _ = done
    first, second = (json.loads((out / "stages" / f"round_0{n}.json").read_text()) for n in (1, 2))
    assert first["shares"] == {name: {"explorer": 0.5, "script": 0.5, "own": 0.0} for name in NEW}
    assert second["shares"]["lift-cloth"]["own"] in (0.5, 1.0)
    for who, some in (("explorer", True), ("script", True), ("own", False)):
        assert (first["by"]["lift-cloth"][who][0] > 0) == some
    assert second["by"]["lift-cloth"]["own"][0] > 0


def test_a_finished_experiment_is_not_run_again_and_sizes_are_kept(base, done):
    out, result = done
    again = NewTasks(base, out, TINY, TASKS_FILE, WORLD).run()
    assert again["seconds"] == result["seconds"]
    with pytest.raises(InputError, match="settings"):
        NewTasks(base, out, sizes.SCALES["small"], TASKS_FILE, WORLD)


# -- who collects -----------------------------------------------------------------------------


class Answers:
    """A policy that answers with its name and notes what it was asked."""

    def __init__(self, name):
        self.name, self.asked = name, []

    def choose(self, requests):
        self.asked += [(request.task, request.policy) for request in requests]
        return [PolicyAnswer(Action(), checkpoint=self.name) for _ in requests]


def request(task, seed, step=0):
    return PolicyRequest("robot_1", f"e{seed}", step, seed, task, "qfunction", None)


def test_an_episode_belongs_to_one_policy():
    explorer, script, own = Answers("explorer"), Answers("script"), Answers("own")
    asked_of = {
        "lift-cloth": Asked("lift-any", "scripted_pick"),
        "cover-object": Asked("place-any", "scripted_place"),
    }
    shares = {
        "lift-cloth": {"explorer": 0.2, "script": 0.3, "own": 0.5},
        "cover-object": {"explorer": 0.0, "script": 0.0, "own": 1.0},
    }
    policy = Handover(explorer, script, own, asked_of, shares)
    seeds = range(80)
    first = policy.choose([request("lift-cloth", seed) for seed in seeds])
    later = policy.choose([request("lift-cloth", seed, step=3) for seed in seeds])
    who = [answer.checkpoint for answer in first]
    assert who == [answer.checkpoint for answer in later]
    assert 25 < who.count("own") < 55 and min(who.count("explorer"), who.count("script")) > 8
    assert set(explorer.asked) == {("lift-any", "qfunction")}
    assert set(script.asked) == {("lift-cloth", "scripted_pick")}
    assert set(own.asked) == {("lift-cloth", "qfunction")}
    covers = policy.choose([request("cover-object", seed) for seed in seeds])
    assert {answer.checkpoint for answer in covers} == {"own"}


NONE = {"explorer": [0, 0], "script": [0, 0], "own": [0, 0]}
TRIED = {"explorer": [20, 5], "script": [20, 2]}


@pytest.mark.parametrize(
    ("rounds", "share"),
    (
        ([], 0.0),
        ([TRIED], 0.5),
        ([TRIED | {"own": [20, 4]}], 0.5),
        ([TRIED | {"own": [4, 4]}], 0.5),
        ([TRIED | {"own": [8, 2]}], 1.0),
        ([TRIED | {"script": [20, 8], "own": [8, 2]}], 0.5),
        ([TRIED | {"own": [8, 2]}, {"own": [9, 0]}], 0.5),
        ([TRIED | {"script": [10, 5]}, {"own": [20, 9]}], 0.5),
        ([TRIED | {"script": [10, 5]}, {"own": [20, 10]}], 1.0),
    ),
)
def test_a_task_is_its_own_policys_while_that_is_as_good(rounds, share):
    given = [{"lift-cloth": NONE | one} for one in rounds]
    shares = shares_of(given, ["lift-cloth"])["lift-cloth"]
    assert shares["own"] == share and sum(shares.values()) == pytest.approx(1.0)


def test_who_lifts_more_of_the_new_object_collects_more_of_the_rest():
    given = [{"lift-cloth": {"explorer": [43, 0], "script": [43, 11], "own": [0, 0]}}] * 2
    shares = shares_of(given, ["lift-cloth"])["lift-cloth"]
    assert shares["script"] / shares["explorer"] == pytest.approx(23 / 1)


# -- bad input --------------------------------------------------------------------------------


def test_a_folder_without_a_data_set_or_a_run_is_refused(base, tmp_path):
    with pytest.raises(InputError, match="mtopt benchmark paper"):
        find_base(tmp_path, cell_tasks(TASKS_FILE), WORLD)
    shutil.copytree(base / "data", tmp_path / "data")
    with pytest.raises(InputError, match="proposals_0: got none"):
        find_base(tmp_path, cell_tasks(TASKS_FILE), WORLD)


def test_other_tasks_than_the_bases_are_refused(base, tmp_path):
    with pytest.raises(InputError, match="new ones behind them"):
        find_base(base, cell_tasks(), WORLD)
    first = tmp_path / "first.yaml"
    first.write_text(TASKS_FILE.read_text().replace("extends: tasks.yaml", ""))
    with pytest.raises(InputError, match="new ones behind them"):
        find_base(base, cell_tasks(first), WORLD)


def test_a_new_task_needs_a_new_object_that_the_world_has(base, tmp_path):
    tasks = cell_tasks(TASKS_FILE)
    with pytest.raises(InputError, match="cloth"):
        find_base(base, tasks, share_dir() / "worlds" / "bin_cell.sdf")
    again = tmp_path / "tasks_again.yaml"
    known = share_dir() / "params" / "tasks.yaml"
    again.write_text(
        f"extends: {known}\ntasks:\n  lift-box-again: {{skill: lift, requires: empty_gripper, "
        "success: {rule: lifted, object: box}, bootstrap_policy: scripted_pick, difficulty: 2}\n"
    )
    with pytest.raises(InputError, match="no earlier episode"):
        find_base(base, cell_tasks(again), WORLD)


def test_the_command_takes_a_base(base, tmp_path, monkeypatch):
    monkeypatch.setitem(sizes.SCALES, "small", TINY)
    arguments = Namespace(
        base=base, out=tmp_path / "out", scale="small", minutes=1e-6, tasks_file=None, world=None
    )
    assert new_task.run(arguments)["exit_code"] == 1, "the time was over"
