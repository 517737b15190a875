"""Who reaches goals: the same starts, the same judge, and how it goes on."""

import json

import pytest

from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_bringup.goalset.outcomes import PROGRESS
from mtopt_bringup.goalset.reached import RESULT, write_reached
from mtopt_bringup.goalset.reaching import ReachConfig, evaluate_goals
from mtopt_bringup.goalset.scripts import CLEAN_PICK, CLEAN_PLACE, clean_scripts
from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_sim.cell import cell_tasks
from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import PolicyAnswer


class Repeats:
    """Does what was done in a goal's demonstration; `asked` has the seeds of its episodes."""

    def __init__(self):
        scripts = clean_scripts(cell_tasks())
        self._scripts = {"grasp": scripts[CLEAN_PICK], "place": scripts[CLEAN_PLACE]}
        self.asked = set()

    def choose(self, requests):
        answers = []
        for request in requests:
            self.asked.add(request.seed)
            script = self._scripts[request.goal.truth.kind]
            action = script.choose([request])[0].action
            answers.append(PolicyAnswer(action, 0.25))
        return answers


class Rests:
    """Moves nothing and never ends."""

    def choose(self, requests):
        return [PolicyAnswer(Action()) for _ in requests]


def some(shown: GoalSet, *kinds) -> GoalSet:
    goals = tuple(goal for goal in shown.goals if goal.kind in kinds)
    return GoalSet(goals, shown.cameras, shown.world)


def test_who_repeats_a_demonstration_reaches_its_goal_to_the_last_bit(shown, tmp_path):
    goals = some(shown, "grasp", "place")
    config = ReachConfig("repeat", robots=3, processes=2)
    result = evaluate_goals(goals, Repeats(), config, tmp_path)
    assert result["kinds"]["grasp"]["successes"] == result["kinds"]["place"]["successes"] == 3
    assert result["unprepared"] == result["other_starts"] == []
    low, high = wilson_interval(3, 3)
    assert result["kinds"]["place"]["low"] == low and result["kinds"]["place"]["high"] == high
    for row, goal in zip(result["goals"], goals.goals, strict=True):
        assert row["success"] and row["distance_m"] < 1e-5 and row["q"] == 0.25, row
        with open(row["end"], "rb") as file:
            assert file.read() == goal.goal.images_jpeg["shoulder"]


def test_who_does_nothing_reaches_nothing_and_has_its_time(shown, tmp_path):
    config = ReachConfig("rest", max_steps=23, robots=2, processes=1)
    result = evaluate_goals(shown, Rests(), config, tmp_path)
    assert result["mean"] == 0.0
    assert all(row["steps"] == 23 and row["success"] is False for row in result["goals"])
    near = [row["distance_m"] for row in result["goals"] if row["kind"] == "rearrange"]
    assert min(near) > 0.09 and result["kinds"]["rearrange"]["median_distance_m"] == sorted(near)[1]


def test_it_goes_on_where_it_stopped(shown, tmp_path):
    goals, config = some(shown, "grasp"), ReachConfig("repeat", robots=1, processes=1)
    first = evaluate_goals(goals, Repeats(), config, tmp_path)
    stored = json.loads((tmp_path / PROGRESS).read_text())
    del stored["goals"]["1"]
    (tmp_path / PROGRESS).write_text(json.dumps(stored))
    again, seen = Repeats(), []
    second = evaluate_goals(goals, again, config, tmp_path, seen.append)
    assert again.asked == {goals.goals[1].scene_seed} and seen[-1] == 3
    assert second == first
    other = ReachConfig("repeat", "of another checkpoint", robots=1, processes=1)
    evaluate_goals(goals, again, other, tmp_path)
    assert len(again.asked) == 3, "another policy begins anew"


def test_a_start_that_looks_otherwise_is_told(shown, tmp_path):
    from dataclasses import replace

    goal = some(shown, "grasp").goals[0]
    other = replace(goal, start_jpeg=shown.goals[-1].start_jpeg)
    result = evaluate_goals(
        GoalSet((other,), shown.cameras, world=shown.world), Repeats(),
        ReachConfig("repeat", processes=1), tmp_path,
    )  # fmt: skip
    assert result["other_starts"] == [0]


def test_a_damaged_progress_file_is_refused(shown, tmp_path):
    (tmp_path / PROGRESS).write_text('{"about": 3')
    with pytest.raises(InputError, match="remove the folder"):
        evaluate_goals(shown, Rests(), ReachConfig("rest"), tmp_path)


def test_a_folder_of_somebody_else_is_refused_and_stays(shown, tmp_path):
    theirs = tmp_path / "ends" / "00000_end.jpg"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    with pytest.raises(InputError, match="folder to write.*name another one"):
        evaluate_goals(shown, Rests(), ReachConfig("rest"), tmp_path)
    assert theirs.read_bytes() == b"theirs"
    with pytest.raises(InputError, match="folder to write"):
        evaluate_goals(shown, Rests(), ReachConfig("rest"), theirs)


class Refuses:
    """Answers with an error."""

    def choose(self, requests):
        return [PolicyAnswer(Action(), 0.0, error=3, error_msg="no such policy") for _ in requests]


def test_where_no_episode_is_complete_there_is_no_result(shown, tmp_path):
    goals, config = some(shown, "grasp"), ReachConfig("refuses", robots=2, processes=1)
    with pytest.raises(InputError, match="3 goals with void episodes only.*no such policy"):
        evaluate_goals(goals, Refuses(), config, tmp_path)
    with pytest.raises(InputError, match="3 goals with void.*no such policy.*remove the folder"):
        evaluate_goals(goals, Rests(), config, tmp_path)


class Breaks:
    """Cannot be asked anything."""

    def choose(self, requests):
        raise RuntimeError("broken")


def test_what_another_policy_begins_anew_takes_no_earlier_outcome_with_it(shown, tmp_path):
    goals, config = some(shown, "grasp"), ReachConfig("repeat", robots=1, processes=1)
    evaluate_goals(goals, Repeats(), config, tmp_path)
    (tmp_path / "ends" / "notes.txt").write_text("mine")
    with pytest.raises(RuntimeError, match="broken"):
        evaluate_goals(goals, Breaks(), ReachConfig("broken", processes=1), tmp_path)
    assert [path.name for path in (tmp_path / "ends").iterdir()] == ["notes.txt"]
    again = Repeats()
    result = evaluate_goals(goals, again, config, tmp_path)
    assert len(again.asked) == 3 and all(row["end"] for row in result["goals"])


def test_its_table_is_written_whole(shown, tmp_path, monkeypatch):
    def killed(*paths):
        raise KeyboardInterrupt

    (tmp_path / RESULT).write_text("as before")
    monkeypatch.setattr("os.rename", killed)
    with pytest.raises(KeyboardInterrupt):
        write_reached(tmp_path, shown, {"goals": []})
    assert (tmp_path / RESULT).read_text() == "as before"
