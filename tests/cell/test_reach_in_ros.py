"""`mtopt goals reach` gives the same results in the node graph as in-process."""

import json

import pytest

from mtopt_bringup.goalset.demonstrations import DemonstrationConfig, demonstrate
from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_spec.goal import KINDS, REACH_GOAL


@pytest.fixture(scope="module")
def goals(tmp_path_factory) -> tuple[GoalSet, object]:
    """One goal of each kind, and their folder."""
    folder = tmp_path_factory.mktemp("goals") / "goals"
    shown = demonstrate(DemonstrationConfig(goals=1, seed=7, processes=1))
    shown.write(folder)
    return shown, folder


def untrained(folder):
    """A checkpoint of a small Q-function that knows goals and has learned nothing."""
    from mtopt_learning.checkpoint.q_function import QFunction, save_q_function
    from mtopt_learning.qlearn.network import NetworkConfig, QNetwork
    from mtopt_learning.qlearn.tower import TowerConfig
    from mtopt_sim.cell import cell_tasks
    from mtopt_spec.observation import DEFAULT_IMAGE_SIZES as SIZES

    names = cell_tasks().names
    towers = tuple(TowerConfig(c, *size, (8,), (8,), (8,), 8) for c, size in SIZES.items())
    settings = NetworkConfig(len(names), towers, 16, 16, goal_join="input", behaviour=True)
    save_q_function(folder, QFunction(QNetwork(settings), names, dict(SIZES)), {})
    return folder


def compared(mtopt, folder, tmp_path, *policy):
    """Both results, with every goal's row."""
    results = []
    for out, where in (
        (tmp_path / "in_process", ("--processes", 1)),
        (tmp_path / "ros", ("--ros",)),
    ):
        told = mtopt("goals", "reach", folder, *policy, "--out", out, "--robots", 1, *where)
        assert told["exit_code"] == 0, told["stderr"][-3000:]
        results.append(json.loads((out / "reached.json").read_text()))
        assert (out / "goals.html").stat().st_size > 1000 and (out / "goals.png").exists()
    return results


def same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    assert one["unprepared"] == other["unprepared"] == []
    assert one["other_starts"] == other["other_starts"] == []
    assert [row["kind"] for row in one["goals"]] == list(KINDS)
    for mine, yours in zip(one["goals"], other["goals"], strict=True):
        with open(mine.pop("end"), "rb") as a, open(yours.pop("end"), "rb") as b:
            assert a.read() == b.read(), "the last picture, to the last byte"
        for key in ("distance_m", "q"):
            if mine[key] is None:
                assert yours.pop(key) is mine.pop(key)
            else:
                assert yours.pop(key) == pytest.approx(mine.pop(key), abs=1e-6)
        assert mine == yours
    for key in ("attempts", "successes", "low", "high"):
        assert {k: v[key] for k, v in one["kinds"].items()} == {
            k: v[key] for k, v in other["kinds"].items()
        }


@pytest.mark.timeout(400)
def test_a_script_reaches_the_same_goals_in_the_node_graph(mtopt, goals, tmp_path, episodes):
    shown, folder = goals
    by_calls, by_messages = compared(mtopt, folder, tmp_path, "--policy", "scripted_pick")
    assert all(row["distance_m"] > 0 for row in by_messages["goals"])
    same(by_calls, by_messages)
    recorded = episodes(tmp_path / "ros" / "bags").values()
    reached = [(e.begin.seed, e.goal_images_jpeg) for e in recorded if e.begin.task == REACH_GOAL]
    assert reached == [(goal.scene_seed, goal.goal.images_jpeg) for goal in shown.goals]
    assert not any(e.goal_images_jpeg for e in recorded if e.begin.task != REACH_GOAL)
    assert [e.begin.policy for e in recorded if e.begin.task != REACH_GOAL] == ["clean_pick"]


@pytest.mark.timeout(500)
def test_a_q_function_is_shown_the_same_goals_in_the_node_graph(mtopt, goals, tmp_path):
    checkpoint = untrained(tmp_path / "q")
    by_calls, by_messages = compared(mtopt, goals[1], tmp_path, "--checkpoint", checkpoint)
    assert all(0.0 < row["q"] < 1.0 for row in by_messages["goals"])
    same(by_calls, by_messages)
    again = mtopt("goals", "reach", goals[1], "--checkpoint", checkpoint, "--ros",
                  "--out", tmp_path / "ros")  # fmt: skip
    assert again["exit_code"] == 0 and again["kinds"] == by_messages["kinds"]
