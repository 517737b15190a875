"""Gives each robot its own task: what the scene allows, what is ready, what does worst.

Nothing in here depends on the order in which requests of one tick arrive: what a robot gets comes
from its own history, from the reports of earlier ticks, and from random numbers of (seed, robot,
episode).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from mtopt_control.schedule.schedule_config import BOOTSTRAP, ScheduleConfig
from mtopt_control.schedule.task_record import TaskRecord
from mtopt_spec import seeds
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Assignment, EpisodeReport, Fault, TaskRequest
from mtopt_spec.task import Task, TaskList


@dataclass
class _Robot:
    """One robot's history."""

    index: int
    share: int
    last_heard_s: float | None = None
    assigned: int = 0
    counted: int = 0
    in_scene: int = 0
    failed_lifts: int = 0
    lifted: str | None = None
    reset_due: bool = True
    scene_due: bool = True
    outstanding: tuple[Assignment, bool] | None = None
    question: tuple | None = None


class TaskScheduler:
    """Gives out the tasks of a run; see `mtopt_spec.interfaces.Scheduler`.

    Args:
        config: How.
        tasks: All tasks of the cell.

    Raises:
        InputError: An unknown task, or place tasks without a lift to prepare them.
    """

    def __init__(self, config: ScheduleConfig, tasks: TaskList):
        self._config = config
        self._all_tasks = tasks
        self._tasks = tasks.subset(config.tasks) if config.tasks else tasks
        self._fixed = [tasks.named(name) for name in config.tasks] or list(tasks)
        self._lifts = [task for task in self._tasks if task.requires == "empty_gripper"]
        self._places = [task for task in self._tasks if task.requires == "holding"]
        if self._places and (not self._lifts or config.mode == "fixed"):
            for place in self._places:
                self._prepares(place)
        share, left_over = divmod(config.episodes, len(config.robots))
        self._robots = {
            name: _Robot(i, share + (i < left_over)) for i, name in enumerate(config.robots)
        }
        self.records = {task.name: TaskRecord() for task in tasks}
        self._waiting: list[tuple[float, str, EpisodeReport]] = []
        self._void_in_row = 0
        self._first_heard_s: float | None = None

    @property
    def completed(self) -> int:
        """Complete episodes that count, of all robots."""
        return sum(robot.counted for robot in self._robots.values())

    @property
    def gave_up(self) -> bool:
        """True once `max_void_in_row` was reached: nothing is assigned any more."""
        return self._void_in_row >= self._config.max_void_in_row

    def assign(self, request: TaskRequest) -> Assignment | None:
        """The robot's next task, once its report is taken; None when it has no more to do.

        Raises:
            InputError: The robot is none of the cell's.
        """
        if request.robot not in self._robots:
            raise InputError(
                "robot", where="task request", got=request.robot, expected=list(self._robots)
            )
        robot = self._robots[request.robot]
        if self._first_heard_s is None:
            self._first_heard_s = request.stamp_s
        if robot.last_heard_s is not None and request.stamp_s < robot.last_heard_s:
            self._begin_anew(request.stamp_s)
        robot.last_heard_s = request.stamp_s
        question = (request.episode_number, request.report, request.holding)
        if robot.outstanding is not None and robot.question == question:
            return robot.outstanding[0]  # the answer did not arrive
        robot.question = question
        self._take_report(robot, request)
        self._settle(request.stamp_s)
        if self.gave_up or not self._has_more(robot, request.stamp_s):
            return None
        holding = request.holding and not robot.reset_due
        draw = seeds.generator(self._config.seed, f"schedule/{request.robot}", robot.assigned)
        task, counts = self._choose(robot, holding, request.objects, draw)
        goes_on = holding and task.requires == "holding"
        new_scene = self._config.simulated and robot.scene_due and not goes_on
        reset_bin = robot.reset_due and not goes_on
        if new_scene:
            reset_bin = self._config.reset_new_scene
            robot.in_scene = robot.failed_lifts = 0
            robot.scene_due = False
        if reset_bin:
            robot.failed_lifts = 0
        robot.reset_due = robot.reset_due and goes_on
        assignment = Assignment(
            task.name,
            self._policy(task, draw) if counts else task.bootstrap_policy,
            reset_bin,
            new_scene,
            seeds.derive(self._config.seed, f"episode/{request.robot}", robot.assigned),
        )
        robot.assigned += 1
        robot.outstanding = (assignment, counts)
        return assignment

    def _begin_anew(self, now_s: float) -> None:
        """Time went back: all reports are of before, and silence counts from now on."""
        self._settle(float("inf"))
        self._first_heard_s = now_s
        for robot in self._robots.values():
            robot.last_heard_s = now_s if robot.last_heard_s is not None else None

    def _take_report(self, robot: _Robot, request: TaskRequest) -> None:
        """Closes the robot's last assignment with its report, or as void where none comes."""
        if robot.outstanding is None:
            return
        assignment, counts = robot.outstanding
        robot.outstanding = None
        report = request.report
        if report is None or report.task != assignment.task:
            report = EpisodeReport(
                assignment.task, assignment.policy, False, Fault.INTERRUPTED, "no report came"
            )
        self._waiting.append((request.stamp_s, request.robot, report))
        if report.void:
            robot.reset_due = True
            self._void_in_row += 1
            return
        self._void_in_row = 0
        robot.counted += counts
        robot.in_scene += 1
        reported = self._all_tasks.named(report.task)
        robot.lifted = reported.object if report.success else None
        every = self._config.episodes_per_scene
        if every and robot.in_scene >= every:
            robot.scene_due = True
        if reported.requires == "holding":
            robot.reset_due = True
        elif not report.success:
            robot.failed_lifts += 1
            if robot.failed_lifts >= self._config.failed_lifts_before_reset:
                robot.reset_due = True
        else:
            robot.failed_lifts = 0

    def _settle(self, now_s: float) -> None:
        """Counts the reports of earlier ticks, in an order that does not depend on arrival."""
        earlier = [entry for entry in self._waiting if entry[0] < now_s]
        self._waiting = [entry for entry in self._waiting if entry[0] >= now_s]
        for _, _, report in sorted(earlier, key=lambda entry: entry[:2]):
            self.records[report.task].add(report)

    def records_so_far(self) -> dict[str, TaskRecord]:
        """Task to its record with every report that has come, this tick's included."""
        records = copy.deepcopy(self.records)
        for _, _, report in self._waiting:
            records[report.task].add(report)
        return records

    def _has_more(self, robot: _Robot, now_s: float) -> bool:
        if self._config.episodes == 0 or robot.counted < robot.share:
            return True
        for other in self._robots.values():
            heard_s = self._first_heard_s if other.last_heard_s is None else other.last_heard_s
            if now_s - heard_s > self._config.robot_timeout_s and other.counted < other.share:
                other.share -= 1
                robot.share += 1
                return True
        return False

    def _choose(
        self, robot: _Robot, holding: bool, objects: tuple[str, ...], draw
    ) -> tuple[Task, bool]:
        """A task, and whether its episode counts."""
        if self._config.mode == "fixed":
            turn = robot.counted * len(self._robots) + robot.index
            task = self._fixed[turn % len(self._fixed)]
            if task.requires == "holding" and not (holding and _starts_with(task, robot.lifted)):
                return self._prepares(task), False
            return task, True
        places = self._open(self._places)
        ready = [task for task in places if holding and _starts_with(task, robot.lifted)]
        if ready:
            return self._draw(self._in_the_bin(ready, robot, objects), draw), True
        if self._lifts:
            lifts = self._in_the_bin(self._open(self._lifts), robot, objects)
            return self._draw(lifts, draw), True
        return self._prepares(self._draw(places, draw)), False

    def _draw(self, candidates: list[Task], draw) -> Task:
        """One of them, those that do worst more often."""
        weights = [self._need(task) for task in candidates]
        total = sum(weights)
        choice = draw.choice(len(candidates), p=[weight / total for weight in weights])
        return candidates[int(choice)]

    def _prepares(self, place: Task) -> Task:
        return self._all_tasks.lift_of(place.holds, self._config.prepare_task)

    def _open(self, tasks: Sequence[Task]) -> list[Task]:
        """Those of a skill whose easier ones all have enough successes."""
        least = self._config.min_successes
        return [
            task
            for task in tasks
            if all(
                self.records[easier.name].successes >= least
                for easier in tasks
                if easier.difficulty < task.difficulty
            )
        ]

    def _in_the_bin(self, tasks: list[Task], robot: _Robot, objects: tuple[str, ...]) -> list[Task]:
        """Those whose object is there, as far as that is known; all of them where none is.

        What a new scene will hold is not known before it is there.
        """
        new_scene = self._config.simulated and robot.scene_due
        if not objects and not new_scene:
            return tasks
        there = () if new_scene else objects
        return [task for task in tasks if task.object is None or task.object in there] or tasks

    def _need(self, task: Task) -> float:
        record = self.records[task.name]
        rate = record.recent_success_rate if record.recent else 0.0
        return 1.0 - rate + self._config.weight_floor

    def _policy(self, task: Task, draw) -> str:
        if self._config.policy == BOOTSTRAP or draw.random() < self._config.bootstrap_fraction:
            return task.bootstrap_policy
        return self._config.policy

    def weights(self) -> dict[str, float]:
        """Task to the share with which it is offered where the scene allows it, in [0, 1]."""
        shares = {task.name: 0.0 for task in self._all_tasks}
        if self._config.mode == "fixed":
            for task in self._fixed:
                shares[task.name] += 1.0 / len(self._fixed)
            return shares
        for group in (self._lifts, self._places):
            candidates = self._open(group)
            total = sum(self._need(task) for task in candidates)
            for task in candidates:
                shares[task.name] = self._need(task) / total
        return shares


def _starts_with(task: Task, held: str | None) -> bool:
    """Whether a task can start with what is held; None: some object, it is not known which."""
    return task.holds is None or task.holds == held
