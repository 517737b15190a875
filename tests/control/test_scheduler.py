"""Who gets which task, and that N is N."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from cell_robot import ROOT

from mtopt_control.schedule.schedule_config import ScheduleConfig
from mtopt_control.schedule.scheduler import TaskScheduler
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EpisodeReport, Fault, TaskRequest
from mtopt_spec.task import TaskList, load_tasks

TASKS = load_tasks(ROOT / "params/tasks.yaml")
THREE = ("robot_1", "robot_2", "robot_3")


def run(scheduler, robots, outcome, order=lambda asks: asks, most=4000):
    """Plays all robots in lockstep, one episode a tick, until each is told to stop."""
    state = dict.fromkeys(robots, (0, False, None))
    given = {name: [] for name in robots}
    for tick in range(most):
        for name in order(sorted(state)):
            number, holding, report = state[name]
            assignment = scheduler.assign(TaskRequest(float(tick), name, number, holding, report))
            if assignment is None:
                del state[name]
                continue
            given[name].append(assignment)
            success, void = outcome(name, number, assignment)
            holding = success and TASKS.named(assignment.task).skill == "lift"
            report = EpisodeReport(
                assignment.task, assignment.policy, success, Fault.ARM if void else Fault.NONE
            )
            state[name] = (number + 1, holding and not void, report)
        if not state:
            return given
    raise AssertionError("the run never ended")


def lifts_only(name, number, assignment):
    return False, False


def hash_outcome(name, number, assignment):
    return assignment.seed % 3 == 0, assignment.seed % 7 == 0


@pytest.mark.parametrize("episodes", [1, 10, 31])
def test_exactly_n_episodes_complete_even_when_some_are_void(episodes):
    scheduler = TaskScheduler(ScheduleConfig(THREE, episodes, seed=3), TASKS)
    given = run(scheduler, THREE, hash_outcome)
    everything = [a for assignments in given.values() for a in assignments]
    complete = sum(a.seed % 7 != 0 for a in everything)
    assert complete == scheduler.completed == episodes
    assert len({a.seed for a in everything}) == len(everything)


def test_the_order_of_requests_within_a_tick_does_not_matter():
    runs = [
        run(TaskScheduler(ScheduleConfig(THREE, 60, seed=5), TASKS), THREE, hash_outcome, order)
        for order in (sorted, lambda names: sorted(names, reverse=True))
    ]
    assert runs[0] == runs[1]
    other_seed = run(TaskScheduler(ScheduleConfig(THREE, 60, seed=6), TASKS), THREE, hash_outcome)
    assert other_seed != runs[0]


def test_a_task_about_an_object_is_offered_where_that_is_known_to_be_in_the_bin():
    config = ScheduleConfig(("robot_1",), 300, seed=2, min_successes=0)
    objects = ("banana", "can", "box", "tape", "sponge")
    lifts = {"lift-any", "lift-banana", "lift-can", "lift-box"}

    def offered(known):
        scheduler, report, tasks = TaskScheduler(config, TASKS), None, []
        for number in range(100):
            request = TaskRequest(float(number), "robot_1", number, False, report, known)
            given = scheduler.assign(request)
            report = EpisodeReport(given.task, given.policy, False)
            tasks.append((given.task, given.new_scene))
        return tasks

    known = offered(objects)
    assert {task for task, _ in known} == lifts
    new = {task for task, new_scene in known if new_scene}
    assert new == {"lift-any"}, "what a new scene holds is not known before"
    assert len({task for task, _ in offered(())}) == 8, "nothing is known on hardware"


def test_a_place_follows_a_lift_and_nothing_else():
    # new objects are due after a lift, but only come once the held one is placed
    config = ScheduleConfig(THREE, 200, seed=1, episodes_per_scene=5)
    given = run(TaskScheduler(config, TASKS), THREE, lambda *_: (True, False))
    places = 0
    for assignments in given.values():
        for before, after in zip(assignments, assignments[1:]):
            lifted = TASKS.named(before.task).skill == "lift"
            assert (TASKS.named(after.task).skill == "place") == lifted
            if lifted:
                places += 1
                assert not after.reset_bin and not after.new_scene
            else:
                assert after.reset_bin or after.new_scene, "after a place the bin is tipped"
    assert places > 50 and sum(a.new_scene for a in given["robot_1"]) > 5


def test_harder_tasks_open_once_the_easier_have_their_successes():
    config = ScheduleConfig(("robot_1",), 60, seed=2, min_successes=4)
    only_lift_any = run(TaskScheduler(config, TASKS), ("robot_1",), lifts_only)["robot_1"]
    assert {a.task for a in only_lift_any} == {"lift-any"}
    scheduler = TaskScheduler(config, TASKS)
    given = run(scheduler, ("robot_1",), lambda n, k, a: (a.task == "lift-any", False))["robot_1"]
    tasks = [a.task for a in given]
    first_hard = next(i for i, task in enumerate(tasks) if task.startswith("lift-b"))
    assert tasks[:first_hard].count("lift-any") >= 4 and "place-any" in tasks


def test_the_task_that_does_worst_is_offered_most():
    config = ScheduleConfig(
        ("robot_1",), 400, tasks=("lift-can", "lift-box"), seed=4, weight_floor=0.1
    )
    scheduler = TaskScheduler(config, TASKS)
    given = run(scheduler, ("robot_1",), lambda n, k, a: (a.task == "lift-box", False))
    counts = Counter(a.task for a in given["robot_1"])
    assert counts["lift-can"] > 4 * counts["lift-box"] > 0
    weights = scheduler.weights()
    assert weights["lift-can"] > 0.8 and sum(weights.values()) == pytest.approx(1.0)


def test_scenes_and_resets():
    config = ScheduleConfig(
        ("robot_1",), 30, tasks=("lift-any",), episodes_per_scene=10, failed_lifts_before_reset=4
    )
    given = run(TaskScheduler(config, TASKS), ("robot_1",), lifts_only)["robot_1"]
    assert [i for i, a in enumerate(given) if a.new_scene] == [0, 10, 20]
    assert [i for i, a in enumerate(given) if a.reset_bin] == [4, 8, 14, 18, 24, 28]
    on_hardware = run(
        TaskScheduler(replace(config, simulated=False), TASKS), ("robot_1",), lifts_only
    )["robot_1"]
    assert on_hardware[0].reset_bin and not any(a.new_scene for a in on_hardware)


def test_an_evaluation_takes_its_tasks_in_turn_and_prepares_place_tasks():
    config = ScheduleConfig(
        THREE, 30, tasks=("lift-can", "place-any"), mode="fixed", policy="qfunction"
    )
    scheduler = TaskScheduler(config, TASKS)
    given = run(scheduler, THREE, hash_outcome)
    counted = [a for assignments in given.values() for a in assignments if a.seed % 7]
    tasks = Counter((a.task, a.policy) for a in counted)
    assert tasks["lift-can", "qfunction"] == tasks["place-any", "qfunction"] == 15
    assert tasks["lift-any", "scripted_pick"] >= 1 and scheduler.completed == 30


def test_a_share_of_the_episodes_stays_with_the_script():
    config = ScheduleConfig(THREE, 300, policy="qfunction", bootstrap_fraction=0.25, seed=1)
    given = run(TaskScheduler(config, TASKS), THREE, hash_outcome)
    policies = Counter(a.policy for assignments in given.values() for a in assignments)
    scripted = sum(count for name, count in policies.items() if name.startswith("scripted"))
    assert 0.15 < scripted / sum(policies.values()) < 0.35


def test_an_episode_of_a_killed_robot_is_void_and_its_share_is_finished_after_the_restart():
    scheduler = TaskScheduler(ScheduleConfig(("robot_1",), 2, seed=1), TASKS)
    lost = scheduler.assign(TaskRequest(0.0, "robot_1", 0, False, None))
    report = EpisodeReport(lost.task, lost.policy, True)
    second = scheduler.assign(TaskRequest(1.0, "robot_1", 1, True, report))
    again = scheduler.assign(TaskRequest(2.0, "robot_1", 0, False, None))
    assert again is not None and again.seed not in (lost.seed, second.seed) and again.reset_bin
    assert scheduler.completed == 1
    assert scheduler.records_so_far()[second.task].void_episodes == 1


def test_a_question_that_is_repeated_gets_the_same_answer():
    scheduler = TaskScheduler(ScheduleConfig(("robot_1",), 2, seed=1), TASKS)
    request = TaskRequest(0.0, "robot_1", 0, False, None)
    assert scheduler.assign(request) == scheduler.assign(replace(request, stamp_s=1.0))


def test_the_share_of_a_robot_that_stays_silent_goes_to_the_others():
    config = ScheduleConfig(("robot_1", "robot_2"), 20, robot_timeout_s=5.0)
    scheduler = TaskScheduler(config, TASKS)
    given = run(scheduler, ("robot_1",), lifts_only)["robot_1"]
    assert len(given) == 20 and scheduler.completed == 20


def test_nothing_but_void_episodes_ends_the_run():
    scheduler = TaskScheduler(ScheduleConfig(THREE, 100, max_void_in_row=12), TASKS)
    given = run(scheduler, THREE, lambda *_: (False, True))
    assert scheduler.gave_up and sum(map(len, given.values())) <= 15


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": ("juggle",)},
        {"mode": "whim"},
        {"robots": ()},
        {"bootstrap_fraction": 2.0},
        {"tasks": ("place-any",), "prepare_task": "place-any"},
    ],
)
def test_bad_parameters_are_errors(change):
    with pytest.raises(InputError):
        TaskScheduler(replace(ScheduleConfig(THREE, 5), **change), TASKS)
    with pytest.raises(InputError, match="robot_9"):
        TaskScheduler(ScheduleConfig(THREE), TASKS).assign(
            TaskRequest(0.0, "robot_9", 0, False, None)
        )


# -- tasks that start with one certain object -------------------------------------------------

CLOTH_TASKS = load_tasks(ROOT / "params/tasks_cloth.yaml")


def cloth_run(config, outcome):
    """One robot; `outcome(assignment)` gives (success, holding)."""
    scheduler, given = TaskScheduler(config, CLOTH_TASKS), []
    holding, report = False, None
    for number in range(400):
        request = TaskRequest(float(number), "robot_1", number, holding, report)
        assignment = scheduler.assign(request)
        if assignment is None:
            return given
        success, holding = outcome(assignment)
        given.append((assignment.task, success))
        report = EpisodeReport(assignment.task, assignment.policy, success)
    raise AssertionError("the run never ended")


def test_covering_follows_a_lift_of_the_cloth_and_no_other():
    def outcome(assignment):
        lift = CLOTH_TASKS.named(assignment.task).skill == "lift"
        return assignment.seed % 2 == 0, lift  # a failed lift holds something else

    names = ("lift-any", "lift-cloth", "place-any", "cover-object")
    config = ScheduleConfig(("robot_1",), 200, tasks=names, min_successes=0, seed=2)
    given = cloth_run(config, outcome)
    before = [first for first, second in zip(given, given[1:]) if second[0] == "cover-object"]
    assert len(before) > 5
    assert set(before) == {("lift-cloth", True)}
    before = [first for first, second in zip(given, given[1:]) if second[0] == "place-any"]
    assert {name for name, _ in before} == {"lift-any", "lift-cloth"}


@pytest.mark.parametrize("mode", ["need", "fixed"])
def test_covering_alone_is_prepared_by_lifts_of_the_cloth(mode):
    config = ScheduleConfig(("robot_1",), 5, tasks=("cover-object",), mode=mode)
    given = cloth_run(config, lambda a: (a.seed % 3 == 0, a.task == "lift-cloth"))
    assert {name for name, _ in given} == {"lift-cloth", "cover-object"}
    assert sum(name == "cover-object" for name, _ in given) == 5


def test_an_object_that_no_task_lifts_is_refused():
    tasks = TaskList([task for task in CLOTH_TASKS if task.name != "lift-cloth"])
    with pytest.raises(InputError, match="cloth"):
        TaskScheduler(ScheduleConfig(("robot_1",), 5, tasks=("cover-object",)), tasks)


def test_reports_of_before_time_went_back_count_and_silence_is_of_the_new_time():
    config = ScheduleConfig(THREE, 30, seed=3, robot_timeout_s=60.0)
    scheduler = TaskScheduler(config, TASKS)
    for name in THREE:
        first = scheduler.assign(TaskRequest(1000.0, name, 0, False, None))
        report = EpisodeReport(first.task, first.policy, True)
        scheduler.assign(TaskRequest(1010.0, name, 1, True, report))
    assert sum(record.attempts for record in scheduler.records.values()) == 0, "of this tick"
    scheduler.assign(TaskRequest(0.2, "robot_1", 2, False, None))
    assert sum(record.attempts for record in scheduler.records.values()) == 3
    share = scheduler._robots["robot_2"].share
    scheduler._robots["robot_1"].counted = scheduler._robots["robot_1"].share
    assert scheduler.assign(TaskRequest(50.0, "robot_1", 3, False, None)) is None
    assert scheduler._robots["robot_2"].share == share, "silent for 50 s, not for ever"
    assert scheduler.assign(TaskRequest(70.0, "robot_1", 3, False, None)) is not None
    assert scheduler._robots["robot_2"].share == share - 1
