"""`mtopt benchmark goals`, tiny, on the data set of a tiny `mtopt benchmark paper`."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mtopt_bringup.actionable.config import SCALES, GoalsConfig
from mtopt_bringup.actionable.data import data_of_base
from mtopt_bringup.actionable.downstream import (
    BESIDE,
    STARTS,
    FineTuning,
    beside_config,
    count_own,
    fine_tune,
    fine_tunings,
    labels_of_some,
    own_episodes,
)
from mtopt_bringup.actionable.experiment import PARTS, GoalsExperiment
from mtopt_bringup.actionable.goal_sets import GOAL_SETS, goals_folder
from mtopt_bringup.actionable.reach import reached_folder
from mtopt_bringup.actionable.rows import FIRST, ROWS, chosen_rows
from mtopt_bringup.actionable.scoring import ALL, pooled, verdict
from mtopt_bringup.benchmarks import goals as command
from mtopt_bringup.goalset.goal_set import read_goal_set
from mtopt_bringup.goalset.reached import SHEET
from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.paper.experiment import Experiment
from mtopt_learning.checkpoint.configuration import to_plain
from mtopt_learning.checkpoint.q_function import load_q_function, save_q_function
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.run_folder import CHECKPOINT, load_run
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError
from mtopt_spec.goal import KINDS

TRAIN = TrainConfig(batch=16, terminate_states=4, threads=1, conservative_samples=2)
TINY = GoalsConfig(
    steps=3, goals=1, fine_tune_steps=2, beside_steps=2, evaluation_episodes=1, goal_batch=8,
    beside_batch=8, train=TRAIN, tasks=("lift-box",), episodes=(50,), max_steps=20, robots=3,
    rearrangements=3, part_episodes=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Twenty-four scripted episodes beside the lifts that prepare, nothing trained."""
    out = tmp_path_factory.mktemp("base")
    config = PaperConfig(
        scripted_episodes=24, learned_rounds=0, learned_episodes=1, collector_steps=1, steps=1,
        evaluation_episodes=1, online_rounds=0, online_episodes=1, online_steps=1, lift_share=1,
        place_share=1, train=TRAIN, robots=2,
    )  # fmt: skip
    assert Experiment(out, config, processes=1).run(("collect",))["finished"]
    return out


def stages(out):
    return {path.stem: path.stat().st_mtime_ns for path in (out / "stages").glob("*.json")}


@pytest.fixture(scope="module")
def done(base, tmp_path_factory):
    """The folder, what the last call gave, and the stages before that call."""
    out, data = tmp_path_factory.mktemp("goals"), base / "data"
    stopped = GoalsExperiment(data, out, TINY, minutes=0.0).run()
    assert not stopped["finished"] and stopped["exit_code"] == 1 and stages(out) == {}
    first = GoalsExperiment(data, out, replace(TINY, rows=(FIRST,))).run(
        ("goals", "collect", "train", "evaluate", "write")
    )
    assert first["finished"] and set(first["reached"]) == {FIRST}, first["errors"]
    page = (out / "goals.md").read_text()
    assert "## Fine-tuning" not in page and "## Goals beside" not in page
    before = stages(out)
    return (
        out,
        GoalsExperiment(data, out, replace(TINY, rows=(FIRST, "clone"))).run(),
        before,
    )


@pytest.mark.timeout(600)
def test_it_finishes_and_what_was_done_is_not_done_again(base, done):
    out, result, before = done
    assert result["finished"] and result["exit_code"] == 0, result["errors"]
    last = stages(out)
    assert {name: last[name] for name in before} == before, "a stage ran again"
    own = count_own(base / "data", ("lift-box",))["lift-box"]
    runs = [f"fine_lift-box_{own}_{start}" for start in STARTS] + list(BESIDE)
    assert set(last) == {
        "goals_known", "goals_unseen", "own_episodes",
        "collect_rearrange_01", "collect_rearrange_02", "data",
        *(f"train_{name}_0" for name in (FIRST, "clone", *runs)),
        *(f"evaluate_{row}_0_{name}" for row in (FIRST, "clone") for name in GOAL_SETS),
        *(f"evaluate_{name}_0" for name in runs),
    }  # fmt: skip


def test_rearrangements_join_the_data_that_goals_are_learned_from(base, done):
    out, _, _ = done
    tasks, joined = Dataset.open(base / "data"), Dataset.open(out / "data")
    added = joined.episode_policy[tasks.n_episodes :].astype(str)
    assert len(added) >= 3 and set(added) == {"scripted_rearrange"}
    numbers = json.loads((out / "results.json").read_text())
    assert numbers["data"]["episodes"] == joined.n_episodes
    assert count_own(base / "data", ("lift-any",)) == {
        "lift-any": numbers["own_episodes"]["lift-any"]
    }, "downstream tasks have the tasks' own data"


def test_the_page_and_the_numbers_are_there(done):
    out, result, _ = done
    numbers = json.loads((out / "results.json").read_text())
    for row, sets in numbers["scores"].items():
        assert set(sets) == set(GOAL_SETS), row
        for score in sets.values():
            assert set(score) == {*KINDS, ALL}
            assert 0 < score[ALL]["attempts"] <= 3
    assert set(result["reached"]) == {FIRST, "clone"}
    assert {one["start"] for one in numbers["fine_tuned"]} == set(STARTS)
    assert set(numbers["beside"]) == set(BESIDE)
    assert len(numbers["beside"]["tasks"]["tasks"]) == 12
    assert set(numbers["trained"][FIRST][0]["figures"]) == {
        "goal_loss", "negative_loss", "q_hindsight", "q_chained",
    }  # fmt: skip
    page = (out / "goals.md").read_text()
    for text in (
        "3 of them a script's rearrangements", "## Objects of the data",
        "## Objects in no training episode", "about 0.92",
        "| goal-conditioned behaviour cloning of direct ways |", "from-bags",
        "## Goals beside tasks", "about 0.00 to 0.27", "![known goals](goals_known.png)",
        "Machine: ", "known: Actionable Models, Q among proposals, seed 0",
    ):  # fmt: skip
        assert text in page, text
    assert (out / "goals_known.png").stat().st_size > 1000
    assert not list(out.rglob("*.partial")), "nothing left aside"


def test_unseen_goals_show_objects_that_the_others_do_not(done):
    out, _, _ = done
    known, unseen = (read_goal_set(goals_folder(out, name)) for name in GOAL_SETS)
    assert known.counts() == unseen.counts() == dict.fromkeys(KINDS, 1)
    assert unseen.world == "unseen_cell.sdf"
    objects = [{shown.goal.truth.object for shown in goals.goals} for goals in (known, unseen)]
    assert not objects[0] & objects[1]


def test_fine_tuning_begins_where_it_says(base, done, tmp_path):
    """The same network; a weight that is far off in the model shows which one began with it."""
    out, _, _ = done
    model = load_q_function(out / "runs" / f"{FIRST}_0" / CHECKPOINT)
    with torch.no_grad():
        weight = next(iter(model.network.parameters()))
        weight += 5.0
    save_q_function(tmp_path / "runs" / f"{FIRST}_0" / CHECKPOINT, model, {})
    config, apart = replace(TINY, fine_tune_steps=1), {}
    for start in STARTS:
        what = FineTuning("lift-any", 2, start)
        told = fine_tune(tmp_path, base / "data", config, what, 0, lambda done: None)
        assert (told["steps"], told["episodes"]) == (1, 2)
        run = load_run(tmp_path / "runs" / f"{what.name}_0", cell_tasks())
        assert run.config.tasks == ("lift-any",) and run.config.goals.batch == 0
        assert run.online.config == replace(
            model.network.config, proposers=tuple((i,) for i in range(12))
        )
        apart[start] = float((next(iter(run.online.parameters())).detach() - weight).abs().max())
    assert apart[FIRST] < 0.1 and apart["scratch"] > 3


# -- pieces -----------------------------------------------------------------------------------


def test_fewer_episodes_are_among_more_and_nothing_else_is_labelled(base):
    dataset = Dataset.open(base / "data")
    labels, column = dataset.labels("best"), cell_tasks().index_of("lift-any")
    own = own_episodes(dataset, labels, "lift-any")
    assert len(own) >= 2 and (dataset.episode_task[own] == column).all()
    few, more, other = (
        labels_of_some(dataset, "lift-any", n, seed) for n, seed in ((1, 0), (2, 0), (2, 1))
    )
    chosen = [set(np.flatnonzero(np.isfinite(some[:, column]))) for some in (few, more)]
    assert chosen[0] < chosen[1] <= set(own) and len(chosen[1]) == 2
    assert np.isfinite(more).sum() == 2 and other.shape == labels.shape
    for episode in chosen[1]:
        assert more[episode, column] == labels[episode, column]


def test_where_a_task_has_too_few_episodes_all_are_taken_once():
    config = replace(TINY, tasks=("lift-box", "lift-can", "lift-milk"), episodes=(50, 200, 1000))
    own = {"lift-box": 225, "lift-can": 30, "lift-milk": 0}
    found = {(one.task, one.episodes, one.start) for one in fine_tunings(config, own)}
    assert found == {
        (task, n, start)
        for task, n in (("lift-box", 50), ("lift-box", 200), ("lift-box", 225), ("lift-can", 30))
        for start in STARTS
    }


DIFFERENCES = {
    FIRST: {},
    "searched": {"behaviour_weight": 0.0},
    "no_negatives": {"behaviour_weight": 0.0, "negative_weight": 0.0},
    "no_chaining": {"behaviour_weight": 0.0, "chained_share": 0.0},
    "neither": {"behaviour_weight": 0.0, "negative_weight": 0.0, "chained_share": 0.0},
    "clone": {"behaviour_weight": 0.0},
    "clone_all": {"behaviour_weight": 0.0},
    "late": {"behaviour_weight": 0.0, "join": "late"},
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_differs_from_the_first_in_what_its_title_says(row):
    def flat(one):
        plain = to_plain(one.train_config(SCALES["medium"], seed=3))
        goals = plain.pop("goals")
        return plain, {**goals.pop("pairs"), **goals}

    (common, goals), (first_common, first_goals) = flat(row), flat(ROWS[0])
    assert "published" not in row.title
    assert common == first_common and common["batch"] == 0 and common["seed"] == 3
    assert {k: v for k, v in goals.items() if v != first_goals[k]} == DIFFERENCES[row.name]
    assert first_goals["batch"] == 128 and first_goals["negative_weight"] > 0
    assert row.every_way == (row.name == "clone_all")
    assert first_goals["chained_share"] == 0.5 and row.clone == row.name.startswith("clone")


def test_a_picture_says_whose_it_is(base, tmp_path):
    experiment = GoalsExperiment(base / "data", tmp_path, replace(TINY, seeds=2, rows=()))
    sheet = reached_folder(tmp_path, ROWS[1], 1, "known") / SHEET
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"a sheet")
    sheets = experiment._sheets()
    assert sheets == {"known": {"file": "goals_known.png", "row": ROWS[1].name, "seed": 1}}
    assert (tmp_path / "goals_known.png").read_bytes() == b"a sheet"


def test_goals_beside_tasks_change_nothing_else():
    alone, both = (beside_config(SCALES["medium"], name, 1) for name in BESIDE)
    assert alone == replace(both, goals=replace(both.goals, batch=0))
    assert both.goals.batch == SCALES["medium"].beside_batch and both.batch > 0


def test_seeds_are_added_up_and_the_interval_decides():
    def found(good, far):
        kinds = {
            "grasp": {"attempts": 10, "successes": good},
            "place": {"attempts": 0, "successes": 0},
        }
        return {"kinds": kinds, "distances_m": {"grasp": far, "place": []}}

    score = pooled([found(9, [0.1, 0.2]), found(10, [0.6])])
    low, high = wilson_interval(19, 20)
    for name in ("grasp", ALL):
        assert score[name] == {
            "attempts": 20, "successes": 19, "low": low, "high": high, "median_distance_m": 0.2,
        }  # fmt: skip
    assert score["place"]["attempts"] == 0 and np.isnan(score["place"]["median_distance_m"])
    worse = pooled([found(0, [])])["grasp"]
    close = pooled([found(9, [])])["grasp"]
    assert verdict(score["grasp"], worse) == "ahead" and verdict(worse, score["grasp"]) == "behind"
    assert verdict(score["grasp"], close) == "not told apart"


# -- what cannot be ---------------------------------------------------------------------------


def test_other_sizes_and_other_data_are_refused(base, done, tmp_path):
    out, _, _ = done
    before = stages(out)
    with pytest.raises(InputError, match="name another folder"):
        GoalsExperiment(base / "data", out, replace(TINY, steps=4))
    more = replace(TINY, seeds=2, tasks=("lift-box", "lift-can"), episodes=(1, 50))
    left = GoalsExperiment(base / "data", out, more, minutes=0.0).run(["train"])
    assert (left["finished"], left["exit_code"], left["errors"]) == (False, 1, {})
    assert stages(out) == before


@pytest.mark.parametrize(
    ("part", "needs"),
    [("train", "collect"), ("evaluate", "goals"), ("downstream", "train"), ("write", "goals")],
)
def test_a_part_whose_forerunner_is_missing_says_so(base, tmp_path, part, needs):
    with pytest.raises(InputError, match=f"run the part `{needs}` first"):
        GoalsExperiment(base / "data", tmp_path, TINY).run([part])


def test_what_is_no_data_set_of_this_cell_is_refused(base, tmp_path):
    with pytest.raises(InputError, match="mtopt benchmark paper"):
        data_of_base(tmp_path)
    with pytest.raises(InputError, match="mtopt dataset build"):
        GoalsExperiment(tmp_path, tmp_path / "out", TINY)
    assert data_of_base(base) == base / "data"
    (base / "online" / "data").mkdir(parents=True)
    assert data_of_base(base) == base / "online" / "data"
    (base / "online" / "data").rmdir()
    with pytest.raises(InputError, match="lift-nothing"):
        GoalsExperiment(base / "data", tmp_path / "out", replace(TINY, tasks=("lift-nothing",)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "step=3"], "GoalsConfig settings in --set: got .'step'."),
        (["--set", "goals=0"], "goals in experiment: got 0"),
        (["--set", "max_steps=5"], "max_steps in experiment: got 5"),
        (["--set", "episodes=[0]"], "episodes in experiment"),
    ],
)
def test_what_the_command_line_cannot_mean_is_named(options, says):
    with pytest.raises(InputError, match=says):
        configured(*options)


def test_the_command_line_changes_sizes_rows_and_seeds():
    assert command.SCALES == tuple(SCALES) and command.PARTS == PARTS
    assert configured() == SCALES["small"]
    found = configured("--scale", "medium", "--set", "steps=20", "train={batch: 16}",
                       "--rows", "clone", "--seeds", "2")  # fmt: skip
    medium = SCALES["medium"]
    assert found == replace(
        medium, steps=20, train=replace(medium.train, batch=16), rows=("clone",), seeds=2
    )
    with pytest.raises(InputError, match="rows in experiment: got .'dqn'."):
        chosen_rows(("dqn", FIRST))


def configured(*options):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.configuration(parser.parse_args(["--base", "paper", *options]))
