"""Who is given which goal, and what counts as its attempt."""

import pytest

from mtopt_learning.evaluate.goal_schedule import AnsweredOnce, GoalJob, GoalSchedule
from mtopt_sim.cell import cell_tasks
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal, GoalTruth
from mtopt_spec.interfaces import EpisodeReport, Fault, TaskRequest

GRASP = Goal({"shoulder": b"g"}, truth=GoalTruth("grasp", "can", (0.0, 0.0, 0.1)))
PLACE = Goal(
    {"shoulder": b"p"}, holding=True, truth=GoalTruth("place", "can", (0.0, 0.3, 0.0), "bottom")
)


def schedule(*goals, robots=("robot_1",)):
    jobs = [GoalJob(number, 100 + number, goal) for number, goal in enumerate(goals)]
    return GoalSchedule(jobs, robots, cell_tasks(), "mine", "script")


def ask(schedule, holding=False, success=None, fault=Fault.NONE, robot="robot_1"):
    report = None
    if success is not None:
        report = EpisodeReport("any", "any", success, fault, "no answer" if fault else "")
    return schedule.assign(TaskRequest(0.0, robot, 0, holding, report))


def test_a_goal_is_given_in_a_new_scene_of_its_own_seed():
    plan = schedule(GRASP, GRASP)
    first = ask(plan)
    assert (first.task, first.policy, first.goal) == (REACH_GOAL, "mine", GRASP)
    assert first.new_scene and not first.reset_bin and first.seed == 100
    assert ask(plan, success=True).seed == 101
    assert ask(plan, success=False) is None
    assert plan.results == {0: True, 1: False}


def test_what_a_goal_starts_with_is_lifted_first_by_the_script_of_its_demonstration():
    plan = schedule(GRASP, PLACE)
    ask(plan)
    lift = ask(plan, holding=True, success=True)  # what the last episode held is no start
    assert (lift.task, lift.policy, lift.new_scene, lift.seed) == ("lift-any", "script", True, 101)
    assert lift.goal is None
    reach = ask(plan, holding=True, success=True)
    assert (reach.task, reach.policy, reach.goal) == (REACH_GOAL, "mine", PLACE)
    assert not reach.new_scene and not reach.reset_bin and reach.seed == lift.seed
    assert ask(plan, success=False) is None
    assert plan.results == {0: True, 1: False}, "lifts do not count"


def test_a_goal_that_cannot_be_prepared_has_no_result():
    plan = schedule(PLACE, GRASP)
    ask(plan)
    assert ask(plan, success=False).goal == GRASP
    assert ask(plan, success=True) is None
    assert plan.unprepared == [0] and plan.results == {1: True}


def test_a_void_episode_is_run_again_with_all_that_goes_before_it():
    plan = schedule(PLACE)
    lift = ask(plan)
    assert ask(plan, success=False, fault=Fault.POLICY) == lift
    ask(plan, holding=True, success=True)
    assert ask(plan, success=False, fault=Fault.POLICY) == lift
    reach = ask(plan, holding=True, success=True)
    assert reach.goal == PLACE and plan.results == {}
    assert ask(plan, success=False, fault=Fault.POLICY) is None
    assert plan.results == {0: False} and plan.failed_by_fault == {0: "no answer"}


def test_a_goal_whose_object_is_lost_each_time_before_the_episode_begins_has_no_result():
    plan = schedule(PLACE, GRASP)
    lift = ask(plan)
    for _ in range(2):
        ask(plan, holding=True, success=True)
        assert ask(plan, success=False, fault=Fault.EMPTY_GRIPPER) == lift
    ask(plan, holding=True, success=True)
    assert ask(plan, success=False, fault=Fault.EMPTY_GRIPPER).goal == GRASP
    assert plan.unprepared == [0] and plan.results == {} and plan.failed_by_fault == {}


def test_nothing_but_void_episodes_ends_it():
    plan = schedule(*[GRASP] * 9)
    ask(plan)
    with pytest.raises(InputError, match="void episodes only: no answer"):
        for _ in range(3 * 9):
            ask(plan, success=False, fault=Fault.POLICY)


def test_goals_are_shared_among_robots():
    plan = schedule(GRASP, PLACE, GRASP, robots=("robot_1", "robot_2"))
    assert [ask(plan).seed, ask(plan, robot="robot_2").seed] == [100, 101]
    assert ask(plan, success=True).seed == 102


def test_a_question_that_comes_again_is_answered_as_before_and_counts_once():
    plan = schedule(GRASP, GRASP)
    once = AnsweredOnce(plan)
    first = TaskRequest(0.0, "robot_1", 0, False, None)
    assert once.assign(first) == once.assign(first) and once.assign(first).seed == 100
    done = TaskRequest(1.0, "robot_1", 1, False, EpisodeReport("any", "any", True))
    assert once.assign(done).seed == once.assign(done).seed == 101
    assert plan.results == {0: True}
    last = TaskRequest(2.0, "robot_1", 2, False, EpisodeReport("any", "any", False))
    assert once.assign(last) is once.assign(last) is None
    assert plan.results == {0: True, 1: False}
