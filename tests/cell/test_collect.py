"""The in-process loop."""

import signal
import time

import pytest

from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.run_folder import start_part, start_run
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.cell import CellConfig, cell_tasks, make_station
from mtopt_spec.goal import REACH_GOAL, Goal, GoalTruth
from mtopt_spec.interfaces import Assignment

SMALL = CollectConfig(robots=2, episodes=4, seed=7, tasks=("lift-any",), processes=1)


def ends(config, **how):
    """(id, reason, steps, labels) of every episode, sorted."""
    seen = []
    collected = collect(
        config,
        on_episode=lambda b, e: seen.append((b.episode_id, e.reason, e.steps, e.labels)),
        **how,
    )
    return sorted(seen), collected


def test_one_seed_gives_one_result_whatever_the_number_of_processes():
    here, collected = ends(SMALL)
    there, _ = ends(CollectConfig(**{**vars(SMALL), "processes": 2}))
    other, _ = ends(CollectConfig(**{**vars(SMALL), "seed": 8}))
    assert here == there != other
    assert collected.episodes == 4 and collected.control_steps > 20


def test_a_later_run_into_the_same_folder_adds_other_episodes(tmp_path, mtopt, episodes):
    run = ("collect", "--robots", 1, "--episodes", 2, "--out", tmp_path, "--tasks", "lift-any")
    assert mtopt(*run)["episodes"] == 2
    first = episodes(tmp_path)
    assert mtopt(*run)["episodes"] == 2
    both = episodes(tmp_path)
    assert len(both) == 4 and set(first) < set(both)
    assert len({e.begin.seed for e in both.values()}) == 4, "no episode is drawn twice"


def test_runs_of_one_seed_into_two_folders_differ_in_their_names_alone(tmp_path):
    runs = []
    for name in ("bags", "bags2"):
        for _ in range(2):
            runs.append(start_run(tmp_path / name, 5))
            (tmp_path / name / "robot_1" / "bag_0000").mkdir(parents=True, exist_ok=True)
    assert len({run.run for run in runs}) == 4
    assert [run.run.rpartition("-")[0] for run in runs] == ["s5", "s5.1"] * 2
    assert runs[0].seed == runs[2].seed == 5 != runs[1].seed == runs[3].seed
    parts = [start_part(tmp_path / "part", 5, "scripted", part) for part in (1, 1, 2)]
    assert len({part.run for part in parts}) == 3 and parts[0].seed == parts[1].seed
    assert [part.run.split("-")[0] for part in parts] == ["scripted1", "scripted1", "scripted2"]


class Goals:
    """A scheduler that gives one robot one goal after the other."""

    def __init__(self, *goals):
        self.waiting, self.reports = list(goals), []

    def assign(self, request):
        self.reports.append(request.report)
        if not self.waiting:
            return None
        return Assignment(REACH_GOAL, "random", False, False, 3, self.waiting.pop(0))


@pytest.mark.parametrize("judge", ["simulator", "detector"])
def test_goals_are_recorded_and_judged_by_what_the_picture_shows(tmp_path, episodes, judge):
    config = CollectConfig(robots=1, seed=2, out=tmp_path, processes=1, max_steps=3)
    station = make_station(CellConfig(robots=1, seed=2), "robot_1")
    here = [GoalTruth("rearrange", name, tuple(p)) for name, p in zip(
        station.truth().names, station.truth().position_bin_m)]  # fmt: skip
    there = GoalTruth("rearrange", here[0].object, (9.0, 0.0, 0.0))
    asked = Goals(
        Goal({"shoulder": b"at rest"}, truth=here[0]),
        Goal({"shoulder": b"far"}, truth=there),
        Goal({"wrist": b"whatever"}),
    )
    detector = None if judge == "simulator" else NeverAsked()
    collected = collect(config, scheduler=asked, judge=detector)
    assert collected.tasks == {REACH_GOAL: [3, 1]} and collected.lengths <= 9
    recorded = [episode.end for _, episode in sorted(episodes(tmp_path).items())]
    assert [end.success for end in recorded] == [True, False, False]
    assert [end.success_source for end in recorded] == ["simulator", "simulator", "none"]
    names = [REACH_GOAL in {label.task for label in end.labels} for end in recorded]
    assert names == [True, True, False]
    build_dataset(find_bags([tmp_path]), tmp_path / "data", cell_tasks().names)
    assert Dataset.open(tmp_path / "data").episode_task.tolist() == [-1, -1, -1]


class NeverAsked:
    """A detector that does not know goals."""

    def judge(self, robot, observation):
        raise AssertionError("a detector was asked about a goal")


def test_ctrl_c_keeps_what_is_complete(tmp_path, started, episodes):
    process = started(
        "collect",
        "--robots",
        2,
        "--episodes",
        10_000,
        "--out",
        tmp_path,
        "--processes",
        2,
        "--json",
    )
    try:
        end = time.monotonic() + 180
        while not any(f.stat().st_size > 20_000 for f in tmp_path.rglob("*.mcap")):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not list(tmp_path.rglob("*.partial"))
    assert episodes(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tasks", "lift-unicorn"), "lift-unicorn"),
        (("--robots", "99"), "99"),
        (("--policy", "wizard"), "wizard"),
        (("--policy", "qfunction"), "--checkpoint"),
        (("--episodes", "0"), "--episodes"),
    ],
)
def test_bad_arguments_are_refused_before_anything_starts(tmp_path, mtopt, arguments, said):
    for command in ("collect", "cell"):
        result = mtopt(command, "--out", tmp_path / "bags", *arguments)
        assert result["exit_code"] == 2
        assert said in result["stderr"] and "expected" in result["stderr"]
        assert not (tmp_path / "bags").exists()


@pytest.mark.parametrize("option", ["--checkpoint", "--detector"])
def test_a_checkpoint_that_cannot_be_served_is_refused_before_anything_starts(
    tmp_path, mtopt, option
):
    (tmp_path / "empty").mkdir()
    for command in ("collect", "cell"):
        result = mtopt(command, "--out", tmp_path / "bags", option, tmp_path / "empty")
        assert result["exit_code"] == 2 and str(tmp_path / "empty") in result["stderr"]
        assert not (tmp_path / "bags").exists()
