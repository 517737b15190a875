"""Gives out the goals of an evaluation: each in the scene that it was shown in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mtopt_learning.evaluate.schedule import PREPARE_TASK
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.interfaces import Assignment, Fault, Scheduler, TaskRequest
from mtopt_spec.task import TaskList

_MOST_VOID = 2
_MOST_FAULTS = 3


@dataclass(frozen=True)
class GoalJob:
    """One episode that is to reach a goal.

    Attributes:
        number: Of the goal.
        scene_seed: Of the scene, and of all that is drawn in the episode.
        goal: What is to be reached.
    """

    number: int
    scene_seed: int
    goal: Goal


@dataclass
class _Robot:
    jobs: list[GoalJob]
    void: int = 0
    running: str = ""


class GoalSchedule:
    """Shares goals among robots; a `Scheduler`.

    A goal that starts with an object in the gripper is given it as it was given in its
    demonstration: by the same script, in the same scene, with the same draws.

    Args:
        jobs: Shared among the robots in turn.
        robots: Their names.
        tasks: Of the cell.
        policy: Name of the one that is to reach them.
        prepare_policy: Name of the one that lifts what an episode starts with.

    Attributes:
        results: Number of a goal to whether it was reached. One whose episodes are all void, in
            the same scene again and again, was not.
        failed_by_fault: Numbers of those, and the message of their last fault.
        unprepared: Numbers of goals whose object could not be lifted, or was lost before the
            episode began: they have no result.
    """

    def __init__(
        self,
        jobs: Sequence[GoalJob],
        robots: Sequence[str],
        tasks: TaskList,
        policy: str,
        prepare_policy: str,
    ):
        self._lift = tasks.lift_of(None, PREPARE_TASK).name
        self._policy, self._prepare_policy = policy, prepare_policy
        self._robots = {name: _Robot(list(jobs[i :: len(robots)])) for i, name in enumerate(robots)}
        self.results: dict[int, bool] = {}
        self.failed_by_fault: dict[int, str] = {}
        self.unprepared: list[int] = []

    def assign(self, request: TaskRequest) -> Assignment | None:
        """The robot's next episode; None when its goals are done.

        Raises:
            InputError: No episode is complete.
        """
        robot = self._robots[request.robot]
        lifted = self._take_report(robot, request)
        if not robot.jobs:
            return None
        job = robot.jobs[0]
        if job.goal.holding and not lifted:
            robot.running = "lift"
            return Assignment(self._lift, self._prepare_policy, False, True, job.scene_seed)
        robot.running = "goal"
        return Assignment(
            REACH_GOAL, self._policy, False, not job.goal.holding, job.scene_seed, job.goal
        )

    def _take_report(self, robot: _Robot, request: TaskRequest) -> bool:
        """Notes what came of the last episode; whether it lifted what the next one starts with."""
        running, robot.running = robot.running, ""
        if not running:
            return False
        report = request.report
        if report is not None and report.fault == Fault.EMPTY_GRIPPER:
            running = "lift"  # what was lifted is lost: it did not begin
        if report is None or report.void:
            robot.void += 1
            if robot.void > _MOST_VOID:
                self._finish(robot, running, False, report.message if report else "")
                self._check_faults(request.robot)
            return False
        if running == "lift" and report.success and request.holding:
            return True
        self._finish(robot, running, report.success)
        return False

    def _finish(self, robot: _Robot, running: str, success: bool, fault: str | None = None) -> None:
        number = robot.jobs.pop(0).number
        robot.void = 0
        if running == "lift":
            self.unprepared.append(number)
            return
        self.results[number] = success
        if fault is not None:
            self.failed_by_fault[number] = fault

    def _check_faults(self, robot: str) -> None:
        faults = len(self.failed_by_fault)
        if faults > _MOST_FAULTS and faults == len(self.results):
            last = list(self.failed_by_fault.values())[-1]
            raise InputError(
                "evaluation", where=robot, got=f"{faults} goals with void episodes only: {last}",
                expected="episodes that are complete",
            )  # fmt: skip


class AnsweredOnce:
    """A `Scheduler` whose answers may get lost: a question that comes again is no new one.

    Args:
        scheduler: That answers.
    """

    def __init__(self, scheduler: Scheduler):
        self._scheduler = scheduler
        self._last: dict[str, tuple[tuple, Assignment | None]] = {}

    def assign(self, request: TaskRequest) -> Assignment | None:
        """The scheduler's answer, or the one before to the same question."""
        question = request.episode_number, request.report, request.holding
        asked, answer = self._last.get(request.robot, (None, None))
        if asked != question:
            answer = self._scheduler.assign(request)
            self._last[request.robot] = question, answer
        return answer
