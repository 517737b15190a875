"""A robot's life and the bin reset, answered by a world made of a few lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cell_robot import ROBOT, ROOT

from mtopt_control.bin_reset.tipping import ResetCanceled, ResetFailed, tip_bin
from mtopt_control.episode.arm_requests import go_home
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.machine import SingleEpisode, run_robot, run_single
from mtopt_control.episode.requests import (
    Act,
    AskTask,
    Begin,
    CellFault,
    Choose,
    End,
    Judge,
    LabelByTruth,
    Look,
    NewScene,
    ReadHinge,
    RecordStep,
    Recover,
    ResetBin,
)
from mtopt_spec.action import Action, ArmError, Kind, SentAction
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal, GoalTruth
from mtopt_spec.interfaces import Assignment, EndReason, Fault, PolicyAnswer, TaskLabel
from mtopt_spec.observation import Observation
from mtopt_spec.task import load_tasks

TASKS = load_tasks(ROOT / "params/tasks.yaml")


class World:
    """Answers requests; `faults` maps a request's type to what is thrown when it comes."""

    def __init__(self, *assignments, terminate_at=3, success=True):
        self.assignments = list(assignments)
        self.terminate_at = terminate_at
        self.success = success
        self.recorded = True
        self.arm_error = {}
        self.faults = {}
        self.closed, self.opening_m = False, 0.05
        self.tick = 0
        self.homing = 2
        self.log, self.acts, self.questions, self.ends, self.steps = [], [], [], [], []
        self.begins, self.goals = [], []
        self.tasks = TASKS
        self.detector = [TaskLabel("lift-any", False, 0.25, "detector:abc")]

    def observation(self):
        return Observation(0.2 * self.tick, {}, self.closed, self.opening_m, (0.0, 0.0, 0.2, 0.0))

    def answer(self, request):
        kind = type(request)
        self.log.append(kind.__name__)
        if self.faults.get(kind):
            raise self.faults[kind].pop()
        if kind is AskTask:
            self.questions.append(request.request)
            return self.assignments.pop(0) if self.assignments else None
        if kind is Act:
            return self.act(request)
        if kind is Choose:
            self.goals.append(request.request.goal)
            ends = request.request.step_index == self.terminate_at
            return PolicyAnswer(Action(translation_m=(0.01, 0.0, 0.0), terminate=ends))
        if kind is LabelByTruth:
            names = list(self.tasks.names)
            if request.goal is not None and request.goal.truth is not None:
                names.append(REACH_GOAL)
            return [TaskLabel(name, self.success, 1.0, "simulator") for name in names]
        if kind is End:
            self.ends.append(request.end)
            return self.recorded
        if kind is Begin:
            self.begins.append(request.begin)
        if kind is RecordStep:
            self.steps.append(request.step)
        if kind is Judge:
            return self.detector
        if kind is NewScene:
            return "can", f"box {request.seed}"
        return self.observation() if kind in (Look, ResetBin) else None

    def act(self, request):
        self.tick += 1
        self.acts.append(request)
        home = request.action.kind == Kind.HOME
        self.homing = self.homing - 1 if home else 2
        self.closed = not request.action.open if home else True  # every episode closes
        arrived = self.homing <= 0
        error = self.arm_error.pop(len(self.acts), ArmError.NONE)
        sent = SentAction(request.action, False, np.zeros(8), arrived, error, error.name)
        return sent, self.observation()

    def live(self, life):
        answer, fault = None, None
        while True:
            try:
                request = life.throw(fault) if fault else life.send(answer)
            except StopIteration as stop:
                return stop.value
            fault = None
            try:
                answer = self.answer(request)
            except CellFault as thrown:
                fault = thrown


def lift(**change):
    return replace(Assignment("lift-any", "scripted_pick", False, False, 7), **change)


def place(**change):
    return replace(Assignment("place-any", "scripted_place", False, False, 8), **change)


CONFIG = LifeConfig("robot_1")


def test_terminate_is_recorded_as_a_step_and_homing_is_not():
    world = World(lift())
    world.live(run_robot(CONFIG, TASKS))
    (end,) = world.ends
    assert (end.reason, end.steps, end.success) == (EndReason.TERMINATE, 4, True)
    assert end.success_source == "simulator" and len(end.labels) == len(TASKS)
    assert [step.commanded.terminate for step in world.steps] == [False, False, False, True]
    inside = [act for act in world.acts if act.episode_id]
    assert [act.step_index for act in inside] == [0, 1, 2, 3]
    assert all(act.action.kind == Kind.HOME for act in world.acts if not act.episode_id)
    assert world.log.index("Begin") < world.log.index("RecordStep")
    assert world.steps[0].observation.stamp_s == pytest.approx(0.4)


def test_the_limit_is_a_truncation():
    world = World(lift(), terminate_at=99)
    world.live(run_robot(CONFIG, TASKS))
    assert (world.ends[0].reason, world.ends[0].steps) == (EndReason.LIMIT, 20)


def test_a_lift_is_held_on_the_way_home_to_the_place_task_and_dropped_for_a_lift():
    world = World(lift(), place(), lift())
    world.live(run_robot(CONFIG, TASKS))
    holding = [question.holding for question in world.questions]
    assert holding == [False, True, False, True]
    opens = [
        any(act.action.open for act in world.acts if act.action.kind == Kind.HOME and mine(act))
        for mine in (lambda a: a in world.acts[:2], lambda a: a in world.acts[6:8])
    ]
    assert opens == [True, False]
    assert world.questions[1].report.success and not world.questions[1].report.void


@pytest.mark.parametrize("opening_m", [0.0039, 0.004])
def test_a_place_task_does_not_begin_where_what_was_lifted_is_lost_on_the_way_home(opening_m):
    world = World(lift(), place(), lift())
    world.opening_m = opening_m
    world.live(run_robot(CONFIG, TASKS))
    lost = opening_m < 0.004
    begun = [begin.task for begin in world.begins]
    assert begun == ["lift-any", *([] if lost else ["place-any"]), "lift-any"]
    assert world.questions[2].report.task == "place-any"
    assert (world.questions[2].report.void, world.questions[2].holding) == (lost, False)
    assert ("Recover" in world.log) is lost


@pytest.mark.parametrize("opening_m", [0.0, 0.0006])
def test_a_cloth_is_too_thin_for_closed_fingers_to_tell(opening_m):
    tasks = load_tasks(ROOT / "params/tasks_cloth.yaml")
    cover = Assignment("cover-object", "scripted_cover", False, False, 8)
    world = World(lift(task="lift-cloth"), cover)
    world.tasks, world.opening_m = tasks, opening_m
    world.live(run_robot(CONFIG, tasks))
    world.closed = True
    world.live(run_single(CONFIG, tasks, SingleEpisode("cover-object", "", 3, False, 2)))
    assert [begin.task for begin in world.begins] == ["lift-cloth", "cover-object", "cover-object"]


@pytest.mark.parametrize("judge", ["simulator", "detector", "none"])
@pytest.mark.parametrize("held", [False, True])
def test_where_fingers_cannot_tell_whether_they_hold_a_cloth_who_judges_says(judge, held):
    config, tasks = replace(CONFIG, judge=judge), load_tasks(ROOT / "params/tasks_cloth.yaml")
    world = World(success=judge == "detector" or held)
    world.tasks, world.closed, world.opening_m = tasks, True, 0.0
    world.detector = [
        TaskLabel(name, held or name != "lift-cloth", 0.5, "detector:abc") for name in tasks.names
    ]
    outcome = world.live(run_single(config, tasks, SingleEpisode("cover-object", "", 3, False, 2)))
    begins = held or judge == "none"
    assert [begin.task for begin in world.begins] == ["cover-object"] * begins
    assert outcome.fault == (Fault.NONE if begins else Fault.EMPTY_GRIPPER)
    assert begins or outcome.message == (
        "cover-object starts with an object held: what was lifted is lost"
    )


@pytest.mark.parametrize("closed", [False, True])
def test_a_place_task_on_request_needs_an_object_in_the_gripper(closed):
    world = World()
    world.closed = closed
    single = SingleEpisode("place-any", "scripted_place", 3, False, 0)
    outcome = world.live(run_single(CONFIG, TASKS, single))
    assert outcome.void is not closed and (outcome.end is not None) is closed
    assert outcome.fault == (Fault.NONE if closed else Fault.EMPTY_GRIPPER)
    assert closed or outcome.message.startswith("place-any starts with an object held: nothing")


def test_nothing_is_held_after_a_lift_that_failed():
    world = World(lift(), success=False)
    world.live(run_robot(CONFIG, TASKS))
    assert not world.questions[1].holding and not world.questions[1].report.void


def test_new_objects_and_tipping_come_before_homing():
    world = World(lift(new_scene=True, reset_bin=True))
    world.live(run_robot(CONFIG, TASKS))
    order = [name for name in world.log if name in ("NewScene", "ResetBin", "Begin")]
    assert order == ["NewScene", "ResetBin", "Begin"]


def test_what_is_in_the_bin_is_told_until_there_are_new_objects_even_after_a_fault():
    world = World(lift(new_scene=True, seed=3), lift(), lift(new_scene=True, seed=4))
    world.faults = {Choose: [CellFault(Fault.POLICY, "once")]}
    world.live(run_robot(CONFIG, TASKS))
    told = [question.objects for question in world.questions]
    assert told == [(), ("can", "box 3"), ("can", "box 3"), ("can", "box 4")]
    assert world.questions[1].report.void


def test_home_is_drawn_anew_from_the_seed_within_its_spread():
    offsets = []
    for seed in (1, 1, 2):
        world = World(lift(seed=seed))
        world.live(run_robot(CONFIG, TASKS))
        offsets.append(world.acts[0].action.home_offset_m)
    assert offsets[0] == offsets[1] != offsets[2]
    assert max(abs(x) for x in offsets[0]) <= 0.05


@pytest.mark.parametrize(
    ("request_type", "fault"),
    [
        (Choose, Fault.POLICY),
        (Act, Fault.STALE_OBSERVATION),
        (LabelByTruth, Fault.JUDGE),
        (Begin, Fault.RECORDER),
    ],
)
def test_a_fault_makes_the_episode_void_and_life_goes_on(request_type, fault):
    world = World(lift(), lift(seed=9))
    thrown = CellFault(fault, "pulled the plug")
    count = {"left": 4 if request_type is Act else 1}
    answer = world.answer

    def once(request):
        if type(request) is request_type and count["left"]:
            count["left"] -= 1
            if not count["left"]:
                raise thrown
        return answer(request)

    world.answer = once
    world.live(run_robot(CONFIG, TASKS))
    began = request_type is not Choose
    assert [end.reason for end in world.ends] == [EndReason.FAULT] * began + [EndReason.TERMINATE]
    if began:
        assert world.ends[0].fault == fault and not world.ends[0].success
    assert [q.report and q.report.void for q in world.questions] == [None, True, False]
    assert world.log.count("Recover") == 1 and not world.questions[1].holding


def test_an_episode_that_the_recorder_refuses_is_void_and_not_ended_twice():
    world = World(lift())
    world.recorded = False
    world.live(run_robot(CONFIG, TASKS))
    assert len(world.ends) == 1 and world.questions[1].report.void
    world = World(lift())
    world.faults = {End: [CellFault(Fault.RECORDER, "the disk is gone")]}
    world.live(run_robot(CONFIG, TASKS))
    assert world.log.count("End") == 1 and world.questions[1].report.void


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ArmError.STOPPED, Fault.ARM),
        (ArmError.TRACKING, Fault.ARM),
        (ArmError.INVALID_ACTION, Fault.POLICY),
        (ArmError.NO_SOLUTION, None),
        (ArmError.LIMITS, None),
    ],
)
def test_which_errors_of_the_arm_void_an_episode(error, fault):
    world = World(lift())
    world.arm_error = {4: error}
    world.live(run_robot(CONFIG, TASKS))
    assert world.ends[0].fault == (fault or Fault.NONE)


def test_a_stopped_arm_is_waited_for():
    world = World(lift(), lift())
    world.arm_error = {4: ArmError.STOPPED, 5: ArmError.STOPPED, 6: ArmError.STOPPED}
    world.live(run_robot(CONFIG, TASKS))
    assert [act.action.kind for act in world.acts[4:7]] == [Kind.HOLD] * 3
    assert len(world.ends) == 2


def test_a_homing_that_never_arrives_is_a_fault():
    world = World(lift())
    world.act = lambda request: (
        SentAction(request.action, False, np.zeros(8)),
        world.observation(),
    )
    world.live(run_robot(CONFIG, TASKS))
    assert not world.ends and world.questions[1].report.void


def test_the_detector_rewards_and_the_truth_is_kept_beside_it():
    world = World(lift(), success=True)
    world.live(run_robot(replace(CONFIG, judge="detector"), TASKS))
    end = world.ends[0]
    assert (end.success, end.success_probability, end.success_source) == (
        False,
        0.25,
        "detector:abc",
    )
    assert sum(label.source == "simulator" for label in end.labels) == len(TASKS)
    with pytest.raises(InputError, match="judge"):
        LifeConfig("robot_1", judge="coin")


def test_an_unknown_task_and_a_policy_error_are_void_episodes():
    world = World(lift(task="juggle"), lift())
    world.live(run_robot(CONFIG, TASKS))
    assert [q.report and q.report.void for q in world.questions] == [None, True, False]
    answer = world.answer
    world = World(lift())
    answer = world.answer
    world.answer = lambda request: (
        PolicyAnswer(Action(), error=4, error_msg="no checkpoint")
        if isinstance(request, Choose)
        else answer(request)
    )
    world.live(run_robot(CONFIG, TASKS))
    assert not world.ends and world.questions[1].report.void


def test_the_scheduler_is_asked_again_when_it_did_not_answer():
    world = World(lift())
    world.faults = {AskTask: [CellFault(Fault.INTERRUPTED, "dead")]}
    world.live(run_robot(CONFIG, TASKS))
    assert len(world.ends) == 1


def test_a_single_episode_takes_the_tasks_own_policy_and_no_scheduler():
    world = World()
    outcome = world.live(run_single(CONFIG, TASKS, SingleEpisode("lift-any", "", 3, True, 5)))
    assert outcome.success and outcome.policy == "scripted_pick"
    assert outcome.end.episode_id == "run-robot_1-000005" and "AskTask" not in world.log
    assert world.live(run_single(CONFIG, TASKS, SingleEpisode("", "", 3, False, 6))) is None


GRASP = Goal({"shoulder": b"picture"}, truth=GoalTruth("grasp", "can", (0.1, 0.0, 0.2)))
PLACE = Goal(
    {"shoulder": b"plate"}, holding=True, truth=GoalTruth("place", "can", (0.1, 0.0, 0.0), "bottom")
)
UNJUDGED = Goal({"shoulder": b"from a person"})


def reach(goal, **change):
    return replace(Assignment(REACH_GOAL, "qfunction", False, False, 5, goal), **change)


def test_a_goal_of_a_camera_that_the_robot_lacks_is_not_begun():
    world = World(reach(Goal({"shoulder": b"picture", "ceiling": b"another"})))
    world.live(run_robot(CONFIG, TASKS))
    assert world.questions[1].report.void and "Choose" not in world.log


@pytest.mark.parametrize("judge", ["simulator", "detector"])
def test_a_goal_goes_to_the_policy_and_is_judged_by_its_own_label(judge):
    world = World(reach(GRASP), lift())
    world.live(run_robot(replace(CONFIG, judge=judge, max_steps=30), TASKS))
    end = world.ends[0]
    assert (world.begins[0].task, world.begins[0].policy) == (REACH_GOAL, "qfunction")
    assert world.goals == [GRASP] * 4 + [None] * 4
    assert (end.success, end.success_probability, end.success_source) == (True, 1.0, "simulator")
    assert [label.task for label in end.labels] == [*TASKS.names, REACH_GOAL]
    assert world.log.count("Judge") == (judge == "detector"), "only of the lift"
    assert world.questions[1].report.task == REACH_GOAL and world.questions[1].report.success
    assert world.questions[1].holding, "what a grasp goal reached is in the gripper"


@pytest.mark.parametrize("judge", ["simulator", "detector", "none"])
@pytest.mark.parametrize("goal", [UNJUDGED, GRASP])
def test_a_goal_that_nobody_labels_ends_without_a_judgement(judge, goal):
    world = World(reach(goal))
    world.live(run_robot(replace(CONFIG, judge=judge), TASKS))
    end = world.ends[0]
    judged = goal is GRASP and judge != "none"
    assert (end.reason, end.fault) == (EndReason.TERMINATE, Fault.NONE)
    assert (end.success, end.success_source) == ((judged, "simulator" if judged else "none"))
    assert not world.questions[1].report.void and world.questions[1].holding is judged


def test_a_goal_of_what_is_held_begins_with_closed_fingers():
    for goal, opened in ((PLACE, False), (GRASP, True)):
        world = World(lift(), reach(goal), lift())
        world.live(run_robot(CONFIG, TASKS))
        homes = [act for act in world.acts[6:8] if act.action.kind == Kind.HOME]
        assert [act.action.open for act in homes] == [opened] * 2
        assert world.questions[2].holding is (goal is GRASP)


def test_a_goal_of_what_is_held_is_tried_on_request_with_nothing_held_too():
    world = World()
    single = SingleEpisode(REACH_GOAL, "qfunction", 3, False, 0, PLACE)
    outcome = world.live(run_single(CONFIG, TASKS, single))
    assert not outcome.void and [begin.task for begin in world.begins] == [REACH_GOAL]


def test_a_goal_episode_may_be_longer():
    world = World(reach(GRASP), terminate_at=99)
    world.live(run_robot(replace(CONFIG, max_steps=30), TASKS))
    assert (world.ends[0].reason, world.ends[0].steps) == (EndReason.LIMIT, 30)


@pytest.mark.parametrize("assignment", [lift(goal=GRASP), reach(None)])
def test_a_goal_and_its_task_belong_together(assignment):
    world = World(assignment, lift())
    world.live(run_robot(CONFIG, TASKS))
    assert [q.report and q.report.void for q in world.questions] == [None, True, False]


class Hinge(World):
    """A bin whose hinge follows at once, or sticks."""

    angle = 0.0
    sticks_at = None

    def answer(self, request):
        if isinstance(request, ReadHinge):
            return self.angle if self.sticks_at is None else self.sticks_at
        sent, observation = self.act(request)
        self.angle = request.hinge_angle_rad if request.hinge_angle_rad is not None else self.angle
        arrived = request.action.kind == Kind.RETRACT and self.tick >= 3
        return replace(sent, arrived=arrived), observation


def test_the_bin_tips_only_once_the_arm_is_clear_and_ends_level():
    world = Hinge()
    world.live(tip_bin(ROBOT, 1))
    angles = [act.hinge_angle_rad for act in world.acts]
    assert angles[:3] == [None] * 3 and angles[-1] == 0.0
    for angle, shortest_s, longest_s in ROBOT.bin_reset[:2]:
        assert (
            shortest_s <= 0.2 * angles.count(angle) + 0.1
            and 0.2 * angles.count(angle) - 0.1 <= longest_s
        )
    assert all(act.action.kind == Kind.HOLD for act in world.acts[3:])
    lengths = set()
    for seed in range(8):
        world = Hinge()
        world.live(tip_bin(ROBOT, seed))
        lengths.add(len(world.acts))
    assert len(lengths) > 1


def test_a_stuck_hinge_and_a_stuck_arm_are_told_apart():
    world = Hinge()
    world.sticks_at = 0.5
    with pytest.raises(ResetFailed) as failure:
        world.live(tip_bin(ROBOT, 1))
    assert failure.value.part == "hinge"
    world = Hinge()
    world.arm_error = {2: ArmError.STOPPED, 3: ArmError.STOPPED}
    with pytest.raises(ResetFailed) as failure:
        world.live(tip_bin(ROBOT, 1))
    assert failure.value.part == "arm" and world.angle == 0.0
    world = Hinge()
    world.arm_error = {5: ArmError.EFFORT}
    with pytest.raises(ResetFailed):
        world.live(tip_bin(ROBOT, 1))
    assert world.angle == 0.0, "the bin must be levelled even when the arm fails"


@pytest.mark.parametrize("error", [ArmError.STOPPED, ArmError.STALE_OBSERVATION])
def test_a_reset_goes_on_after_a_motion_that_was_broken_off(error):
    class BrokenOff(Hinge):
        """Refuses everything until it was asked for a hold, as `ArmCore` does."""

        held = False

        def answer(self, request):
            if isinstance(request, ReadHinge):
                return super().answer(request)
            sent, *rest = super().answer(request)
            self.held = self.held or request.action.kind == Kind.HOLD
            return (replace(sent, error=ArmError.NONE if self.held else error), *rest)

    world = BrokenOff()
    world.live(tip_bin(ROBOT, 1))
    kinds = [act.action.kind for act in world.acts[:3]]
    assert kinds == [Kind.RETRACT, Kind.HOLD, Kind.RETRACT]


def test_slow_homing_takes_its_time_but_an_arm_that_is_held_back_does_not():
    class Slow(Hinge):
        stops = 1000

        def answer(self, request):
            sent, observation = self.act(request)
            on = np.full(8, 1e-3 * min(self.tick, self.stops))
            return replace(sent, arrived=self.tick >= 200, target_position=on), observation

    world = Slow()
    world.live(go_home((0.0, 0.0, 0.0), opened=True))
    assert len(world.acts) == 200
    world = Slow()
    world.arm_error = dict.fromkeys(range(100), ArmError.TRACKING)
    with pytest.raises(CellFault, match="held back in 60 control periods"):
        world.live(go_home((0.0, 0.0, 0.0), opened=True))
    world = Slow()
    world.stops = 50
    with pytest.raises(CellFault, match="held back in 60 control periods"):
        world.live(go_home((0.0, 0.0, 0.0), opened=True))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("canceled", [False, True])
def test_a_bin_stops_with_its_arm_wherever_it_is(late, canceled):
    world, plan = Hinge(), tip_bin(ROBOT, 1)
    world.sticks_at = 0.31  # measured on the way
    request = next(plan)
    while request.hinge_angle_rad != (0.0 if late else ROBOT.bin_reset[0][0]):
        request = plan.send(world.answer(request))
    sent, observation = world.answer(request)
    request = plan.send((replace(sent, error=ArmError.STOPPED), observation))
    request = plan.send(world.answer(request))
    assert request.hinge_angle_rad == 0.31
    with pytest.raises(ResetFailed, match="STOPPED"):
        plan.throw(ResetCanceled()) if canceled else plan.send(world.answer(request))


def test_a_bin_stays_while_a_sign_of_life_is_late():
    world = Hinge()
    world.sticks_at = 0.31
    world.arm_error = dict.fromkeys(range(6, 10), ArmError.STALE_STATE)
    with pytest.raises(ResetFailed, match="hinge"):
        world.live(tip_bin(ROBOT, 1))
    assert [act.hinge_angle_rad for act in world.acts[6:10]] == [0.31] * 4


def test_a_sign_of_life_that_is_late_delays_a_reset_and_one_that_stays_away_ends_it():
    prompt, late = Hinge(), Hinge()
    late.arm_error = {1: ArmError.NO_HEARTBEAT, 6: ArmError.STALE_OBSERVATION}
    late.arm_error[7] = ArmError.STALE_STATE
    prompt.live(tip_bin(ROBOT, 1))
    late.live(tip_bin(ROBOT, 1))
    tipping = [[a.hinge_angle_rad for a in w.acts if a.hinge_angle_rad] for w in (prompt, late)]
    assert len(tipping[1]) == len(tipping[0]) + 2 and late.angle == 0.0
    gone = Hinge()
    gone.arm_error = dict.fromkeys(range(6, 200), ArmError.STALE_OBSERVATION)
    with pytest.raises(ResetFailed, match="STALE_OBSERVATION"):
        gone.live(tip_bin(ROBOT, 1))
    assert gone.angle == 0.0


@pytest.mark.parametrize("while_levelling", [False, True])
def test_a_canceled_reset_levels_the_bin_first(while_levelling):
    world, plan = Hinge(), tip_bin(ROBOT, 1)
    request = next(plan)
    while request.hinge_angle_rad != ROBOT.bin_reset[0][0]:
        request = plan.send(world.answer(request))
    world.sticks_at = 0.5
    if while_levelling:
        while not isinstance(request, ReadHinge):
            request = plan.send(world.answer(request))
        request = plan.send(world.answer(request))
    request = plan.throw(ResetCanceled())
    for _ in range(6):
        assert isinstance(request, ReadHinge) or request.hinge_angle_rad == 0.0
        request = plan.send(world.answer(request))
    world.sticks_at = None
    with pytest.raises(ResetCanceled):
        while True:
            request = plan.send(world.answer(request))
    assert world.angle == 0.0


def test_the_requests_of_the_machine_are_all_known_to_the_world():
    """New kinds of requests must be answered by every harness: they are listed in one place."""
    from mtopt_control.episode import requests

    known = {Act, AskTask, Begin, Choose, End, Judge, LabelByTruth, Look, NewScene}
    known |= {ReadHinge, RecordStep, Recover, ResetBin}
    assert set(requests.Request.__args__) == known


def test_a_fault_while_a_robot_waits_makes_it_wait_on():
    life = run_robot(LifeConfig("robot_1"), TASKS)
    assert isinstance(next(life), AskTask)
    assert isinstance(life.throw(CellFault(Fault.INTERRUPTED, "pulled the plug")), Recover)
    waits = life.throw(CellFault(Fault.ARM, "and again"))
    assert isinstance(waits, Recover) and waits.fault == Fault.ARM
    assert isinstance(life.send(None), Act)
