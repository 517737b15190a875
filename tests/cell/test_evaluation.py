"""Evaluation: who is measured, what counts, and how it goes on."""

import json
from dataclasses import replace

import pytest

from mtopt_bringup.evaluation import EvaluationConfig, evaluate, has_object
from mtopt_learning.evaluate.schedule import EvaluationSchedule, Job
from mtopt_sim.cell import CellConfig, cell_tasks, make_station, new_scene, scene_objects
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EpisodeReport, Fault, TaskRequest
from mtopt_spec.resources import share_dir


def ask(schedule, holding=False, report=None, robot="robot_1"):
    return schedule.assign(TaskRequest(0.0, robot, 0, holding, report))


def test_a_place_is_given_an_object_first_and_lifts_do_not_count():
    job = Job("place-any", 0)
    schedule = EvaluationSchedule([job], ["robot_1"], cell_tasks(), "qfunction", seed=1)
    first = ask(schedule)
    assert (first.task, first.policy, first.new_scene) == ("lift-any", "scripted_pick", True)
    failed = EpisodeReport("lift-any", "scripted_pick", False)
    second = ask(schedule, report=failed)
    assert second.task == "lift-any" and second.seed != first.seed, "another scene"
    lifted = EpisodeReport("lift-any", "scripted_pick", True)
    third = ask(schedule, holding=True, report=lifted)
    assert (third.task, third.policy) == ("place-any", "qfunction")
    assert not third.new_scene and not third.reset_bin
    assert schedule.results == {}
    assert ask(schedule, report=EpisodeReport("place-any", "qfunction", True)) is None
    assert schedule.results == {job: True}


def test_covering_is_measured_with_the_cloth_in_the_gripper():
    tasks = cell_tasks(share_dir() / "params" / "tasks_cloth.yaml")
    job = Job("cover-object", 0)
    schedule = EvaluationSchedule([job], ["robot_1"], tasks, "qfunction", seed=1)
    assert ask(schedule).task == "lift-cloth"
    another = EpisodeReport("lift-cloth", "scripted_pick", False)
    assert ask(schedule, holding=True, report=another).task == "lift-cloth", "it holds another"
    lifted = EpisodeReport("lift-cloth", "scripted_pick", True)
    assert ask(schedule, holding=True, report=lifted).task == "cover-object"


def test_what_is_lost_before_the_episode_begins_is_no_failure_of_the_policy():
    jobs = [Job("place-any", 0), Job("place-any", 1)]
    schedule = EvaluationSchedule(jobs, ["robot_1"], cell_tasks(), "qfunction", seed=1)
    given = [ask(schedule)]
    lifted = EpisodeReport("lift-any", "scripted_pick", True)
    lost = EpisodeReport("place-any", "qfunction", False, Fault.EMPTY_GRIPPER, "lost")
    for _ in range(5):
        assert ask(schedule, holding=True, report=lifted).task == "place-any"
        given.append(ask(schedule, report=lost))
    assert [one.task for one in given] == 6 * ["lift-any"]
    assert len({one.seed for one in given}) == 6, "another scene each"
    assert schedule.results == {} and schedule.failed_by_fault == []
    ask(schedule, holding=True, report=lifted)
    assert ask(schedule, report=EpisodeReport("place-any", "qfunction", True)).task == "lift-any"
    assert schedule.results == {jobs[0]: True}


def test_a_place_does_not_go_on_from_what_is_measured():
    jobs = [Job("lift-any", 0), Job("place-any", 0)]
    schedule = EvaluationSchedule(jobs, ["robot_1"], cell_tasks(), "qfunction", seed=1)
    ask(schedule)
    lifted = EpisodeReport("lift-any", "qfunction", True)
    next_one = ask(schedule, holding=True, report=lifted)
    assert (next_one.task, next_one.policy, next_one.new_scene) == (
        "lift-any", "scripted_pick", True,
    )  # fmt: skip


def test_a_void_episode_is_run_again_in_the_same_scene():
    schedule = EvaluationSchedule([Job("lift-any", 0)], ["robot_1"], cell_tasks(), "random", seed=1)
    first = ask(schedule)
    again = ask(schedule, report=EpisodeReport("lift-any", "random", False, Fault.ARM))
    assert again == first and schedule.results == {}


def test_a_job_that_is_void_each_time_is_a_failure_unless_all_are():
    jobs = [Job("lift-any", i) for i in range(9)]
    void = EpisodeReport("lift-any", "random", False, Fault.ARM)
    done = EpisodeReport("lift-any", "random", True)
    schedule = EvaluationSchedule(jobs, ["robot_1"], cell_tasks(), "random", seed=1)
    ask(schedule)
    for report in (done, void, void, void, done):
        ask(schedule, report=report)
    assert schedule.results == {jobs[0]: True, jobs[1]: False, jobs[2]: True}
    assert schedule.failed_by_fault == [jobs[1]]
    assert schedule.sound_results == {jobs[0]: True, jobs[2]: True}

    broken = EvaluationSchedule(jobs, ["robot_1"], cell_tasks(), "random", seed=1)
    ask(broken)
    with pytest.raises(InputError, match="void episodes only"):
        for _ in range(3 * len(jobs)):
            ask(broken, report=void)


def test_scenes_depend_on_seed_and_job_alone():
    jobs = [Job("lift-any", i) for i in range(4)]
    one = EvaluationSchedule(jobs, ["robot_1"], cell_tasks(), "random", seed=1)
    many = EvaluationSchedule(jobs, ["robot_1", "robot_2"], cell_tasks(), "qfunction", seed=1)
    done = EpisodeReport("lift-any", "random", True)
    alone = [ask(one).seed, *(ask(one, report=done).seed for _ in range(3))]
    shared = [ask(many, robot="robot_1").seed, ask(many, robot="robot_2").seed]
    assert shared == alone[:2] and len(set(alone)) == 4


def test_the_object_that_a_task_names_is_in_its_scene():
    tasks, jobs = cell_tasks(), [Job("lift-banana", i) for i in range(12)]
    done = EpisodeReport("lift-banana", "random", False)

    def scenes(suits):
        schedule = EvaluationSchedule(jobs, ["robot_1"], tasks, "random", 1, suits)
        return [ask(schedule).seed, *(ask(schedule, report=done).seed for _ in jobs[1:])]

    drawn, suited = scenes(None), scenes(has_object)
    assert all("banana" in scene_objects(seed) for seed in suited) and len(set(suited)) == 12
    kept = [seed for seed in drawn if "banana" in scene_objects(seed)]
    assert 0 < len(kept) < 12 and set(kept) <= set(suited), "drawn again only where it has none"
    station = make_station(CellConfig(robots=1), "robot_1")
    new_scene(station, suited[0])
    assert set(station.truth().names) == set(scene_objects(suited[0]))


def test_it_goes_on_where_it_stopped(tmp_path):
    file = tmp_path / "progress.json"
    small = EvaluationConfig(("lift-any",), 2, "bootstrap", robots=2, processes=1)
    first = evaluate(small, progress_file=file)
    assert first["tasks"]["lift-any"]["attempts"] == 2
    stored = json.loads(file.read_text())
    for episode in stored["episodes"]:
        episode["success"] = True
    file.write_text(json.dumps(stored))
    seen = []
    larger = EvaluationConfig(("lift-any",), 3, "bootstrap", robots=2, processes=1)
    result = evaluate(larger, progress_file=file, on_episode=seen.append)
    assert seen == [2, 3], "one episode was left to run"
    score = result["tasks"]["lift-any"]
    assert score["attempts"] == 3 and score["successes"] >= 2, "the kept ones count"
    assert 0 <= score["low"] < score["successes"] / 3 <= score["high"] <= 1
    assert result["mean"] == score["successes"] / 3


def test_outcomes_of_another_world_are_no_outcomes(tmp_path):
    file, worlds, seen = tmp_path / "progress.json", share_dir() / "worlds", []
    small = EvaluationConfig(("lift-any",), 1, "bootstrap", robots=1, processes=1)
    evaluate(small, progress_file=file)
    other = replace(small, world=worlds / "unseen_cell.sdf")
    evaluate(other, progress_file=file, on_episode=seen.append)
    assert seen, "it was run"
    seen.clear()
    evaluate(other, progress_file=file, on_episode=seen.append)
    assert not seen, "nothing was left"
    with pytest.raises(InputError, match="nowhere.sdf"):
        evaluate(replace(small, world=tmp_path / "nowhere.sdf"), progress_file=file)


def test_episodes_that_cannot_be_kept_are_no_outcomes(mtopt, tmp_path):
    (tmp_path / "file").write_text("no folder")
    asked = ("eval", "--policy", "bootstrap", "--tasks", "lift-any", "--episodes", 1,
             "--processes", 1, "--out", tmp_path / "file")  # fmt: skip
    assert mtopt(*asked)["exit_code"] != 0


def test_a_damaged_progress_file_is_refused(tmp_path):
    file = tmp_path / "progress.json"
    file.write_text('{"about": 3')
    with pytest.raises(InputError, match="remove the file"):
        evaluate(EvaluationConfig(("lift-any",), 1, "bootstrap"), progress_file=file)


def test_the_command_prints_intervals(mtopt):
    result = mtopt("eval", "--policy", "bootstrap", "--tasks", "lift-any", "place-any",
                   "--episodes", 2, "--processes", 1)  # fmt: skip
    assert result["exit_code"] == 0, result["stderr"][-2000:]
    assert {"attempts", "successes", "low", "high"} <= set(result["tasks"]["place-any"])
    assert mtopt("eval", "--policy", "bootstrap", "--tasks", "fly")["exit_code"] == 2


def test_doctor_finds_this_machine_sound(mtopt):
    result = mtopt("doctor")
    failed = [check for check in result["checks"] if not check["ok"]]
    assert result["ok"] and result["exit_code"] == 0, failed
    names = {check["name"] for check in result["checks"]}
    assert {"python", "ros", "messages", "rendering", "dds", "disk", "world"} <= names


def test_a_check_that_breaks_fails_and_the_others_are_made(mtopt, tmp_path):
    result = mtopt("doctor", "--disk", tmp_path / "none")
    failed = {check["name"]: check["detail"] for check in result["checks"] if not check["ok"]}
    assert result["exit_code"] == 1 and failed.keys() == {"disk"}
    assert failed["disk"].startswith("FileNotFoundError: ") and len(result["checks"]) == 8
