"""Gives out an evaluation's episodes: each in a fresh scene of its own seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mtopt_spec import seeds
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Assignment, Fault, TaskRequest
from mtopt_spec.task import Task, TaskList

PREPARE_TASK = "lift-any"
_MOST_TRIES = 100
_MOST_VOID = 2
_MOST_FAULTS = 3
_MOST_SCENES = 1000


@dataclass(frozen=True)
class Job:
    """One episode that is to be measured: its scene and draws depend on nothing else."""

    task: str
    number: int


@dataclass
class _Robot:
    jobs: list[Job]
    tries: int = 0
    void: int = 0
    running: bool = False


class EvaluationSchedule:
    """Shares jobs among robots; a `Scheduler`.

    A task that starts with an object in the gripper is given one first: the bootstrap policy lifts
    it, in a new scene each try, until one (or the one that the task starts with) is held. Those
    episodes are no job.

    Args:
        jobs: What to measure, shared among the robots in turn.
        robots: Their names.
        tasks: Of the cell.
        policy: Its name, or `bootstrap` for each task's own.
        seed: Of the scenes.
        suits: Whether the scene of a seed offers what a task is about (the banana of lift-banana);
            one that does not is drawn again. None takes every scene.

    Attributes:
        results: Job to success. One whose episodes are all void, in the same scene again and
            again, is a failure: the policy drives the arm into something that it cannot push away.
        failed_by_fault: Those jobs.

    Raises:
        InputError: An unknown task.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        robots: Sequence[str],
        tasks: TaskList,
        policy: str,
        seed: int,
        suits: Callable[[Task, int], bool] | None = None,
    ):
        for job in jobs:
            tasks.named(job.task)
        self._tasks, self._policy, self._seed, self._suits = tasks, policy, seed, suits
        self._robots = {name: _Robot(list(jobs[i :: len(robots)])) for i, name in enumerate(robots)}
        self.results: dict[Job, bool] = {}
        self.failed_by_fault: list[Job] = []

    def assign(self, request: TaskRequest) -> Assignment | None:
        """The robot's next episode; None when its jobs are done.

        Raises:
            InputError: An object could not be lifted after many tries, or no episode is complete.
        """
        robot = self._robots[request.robot]
        if robot.running:
            robot.running = False
            self._finish(robot, request)
        if not robot.jobs:
            return None
        job = robot.jobs[0]
        task = self._tasks.named(job.task)
        index = self._tasks.index_of(job.task)
        # What an earlier job left in the gripper is no start: it would depend on that job.
        prepared = robot.tries > 0 and self._holds(task, request)
        if task.requires == "holding" and not prepared:
            robot.tries += 1
            if robot.tries > _MOST_TRIES:
                raise InputError(
                    "object in the gripper", where=f"evaluation of {task.name}",
                    got=f"none after {_MOST_TRIES} tries", expected="a lift that succeeds",
                )  # fmt: skip
            lift = self._tasks.lift_of(task.holds, PREPARE_TASK)
            scene = self._suitable(lift, "evaluation lift", index, job.number, robot.tries)
            return Assignment(lift.name, lift.bootstrap_policy, False, True, scene)
        robot.running = True
        own = self._policy == "bootstrap"
        return Assignment(
            task.name,
            task.bootstrap_policy if own else self._policy,
            False,
            task.requires != "holding",
            self._scene(task, index, job.number),
        )

    def _holds(self, task: Task, request: TaskRequest) -> bool:
        """Whether what the task starts with is in the gripper."""
        if not request.holding or task.holds is None:
            return request.holding
        report = request.report
        lifted = report is not None and report.success and not report.void
        return lifted and self._tasks.named(report.task).object == task.holds

    @property
    def sound_results(self) -> dict[Job, bool]:
        """The results but for jobs that no policy failed: whose episodes were void each time."""
        faults = set(self.failed_by_fault)
        return {job: success for job, success in self.results.items() if job not in faults}

    def _scene(self, task: Task, index: int, number: int) -> int:
        """The seed of a job's scene."""
        if task.requires == "holding":
            return seeds.derive(self._seed, "evaluation", index, number)
        return self._suitable(task, "evaluation", index, number)

    def _suitable(self, task: Task, *purpose: str | int) -> int:
        """The first seed drawn for a purpose whose scene offers what the task is about."""
        seed = seeds.derive(self._seed, *purpose)
        if self._suits is None:
            return seed
        for again in range(_MOST_SCENES):
            if self._suits(task, seed):
                return seed
            seed = seeds.derive(self._seed, *purpose, again)
        raise InputError(
            "scene", where=f"evaluation of {task.name}", got=f"none in {_MOST_SCENES} that suits",
            expected="a scene with what the task is about",
        )  # fmt: skip

    def _finish(self, robot: _Robot, request: TaskRequest) -> None:
        if request.report is not None and request.report.fault == Fault.EMPTY_GRIPPER:
            return  # lost on the way home: it did not begin, and is prepared again
        if request.report is None or request.report.void:
            robot.void += 1
            if robot.void <= _MOST_VOID:
                return
            self.failed_by_fault.append(robot.jobs[0])
            nothing_else = len(self.failed_by_fault) > len(self.results)
            if nothing_else and len(self.failed_by_fault) > _MOST_FAULTS:
                raise InputError(
                    "evaluation", where=f"{request.robot}, {robot.jobs[0]}",
                    got=f"{len(self.failed_by_fault)} jobs with void episodes only",
                    expected="episodes that are complete",
                )  # fmt: skip
            success = False
        else:
            success = request.report.success
        self.results[robot.jobs.pop(0)] = success
        robot.tries = robot.void = 0
