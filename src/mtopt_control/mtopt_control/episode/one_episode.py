"""One episode: home, step by step, judged and ended; void where something fails."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

from mtopt_control.episode.arm_requests import check_arm, go_home, recover
from mtopt_control.episode.holding import is_held
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.requests import (
    Act,
    Begin,
    CellFault,
    Choose,
    End,
    Judge,
    LabelByTruth,
    NewScene,
    RecordStep,
    Request,
    ResetBin,
)
from mtopt_spec import seeds
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd, Step
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL
from mtopt_spec.interfaces import (
    Assignment,
    EndReason,
    EpisodeReport,
    Fault,
    PolicyAnswer,
    PolicyRequest,
    TaskLabel,
)
from mtopt_spec.observation import Observation
from mtopt_spec.task import Task, TaskList


@dataclass(frozen=True)
class Outcome:
    """How an episode went.

    `end` is None where it never began, `objects` are those of its new scene, if it had one.
    """

    task: str
    policy: str
    success: bool
    holding: bool
    end: EpisodeEnd | None = None
    fault: Fault = Fault.NONE
    message: str = ""
    objects: tuple[str, ...] | None = None

    @property
    def void(self) -> bool:
        """Whether a fault ended it, or kept it from its beginning."""
        return self.fault != Fault.NONE

    def report(self) -> EpisodeReport:
        """What the scheduler is told."""
        return EpisodeReport(self.task, self.policy, self.success, self.fault, self.message)


@dataclass
class _Progress:
    """What is known of an episode while it runs, so that a fault can close it properly.

    `objects` are those of its new scene; None where it has no new one.
    """

    objects: tuple[str, ...] | None = None
    begin: EpisodeBegin | None = None
    steps: int = 0
    last: Observation | None = None
    labels: tuple[TaskLabel, ...] = field(default=())


def run_episode(
    config: LifeConfig, tasks: TaskList, assignment: Assignment, number: int, holding: bool
) -> Generator[Request, object, Outcome]:
    """One episode with all that goes before it: new objects, bin reset, homing.

    Args:
        config: Of the robot.
        tasks: Of the cell.
        assignment: What to do.
        number: Of the episode.
        holding: The gripper holds an object now.

    Returns:
        How it went; a fault makes it void.
    """
    progress = _Progress()
    try:
        task = _task_of(config, assignment, tasks)
        observation = yield from _prepare(config, tasks, task, assignment, holding, progress)
        reason, last = yield from _steps(config, task, assignment, number, observation, progress)
        outcome = yield from _close(config, task, assignment, reason, last, progress)
    except CellFault as fault:
        outcome = yield from _give_up(assignment, fault, progress)
    except InputError as error:
        outcome = yield from _give_up(assignment, CellFault(Fault.POLICY, f"{error}"), progress)
    return replace(outcome, objects=progress.objects)


def _task_of(config: LifeConfig, assignment: Assignment, tasks: TaskList) -> Task:
    """The task that is assigned; one made from the goal where there is a goal."""
    goal = assignment.goal
    if goal is None:
        return tasks.named(assignment.task)
    if assignment.task != REACH_GOAL:
        raise InputError(
            "task", where="assignment with a goal", got=repr(assignment.task), expected=REACH_GOAL
        )
    goal.check_cameras(config.camera_names, "assignment with a goal")
    return Task(
        REACH_GOAL,
        "lift" if goal.truth is not None and goal.truth.kind == "grasp" else "place",
        "holding" if goal.holding else "empty_gripper",
        {},
        assignment.policy,
        0,
    )


def _prepare(
    config: LifeConfig,
    tasks: TaskList,
    task: Task,
    assignment: Assignment,
    holding: bool,
    progress: _Progress,
):
    """Brings the scene and the arm to where the task starts; returns the observation there.

    A task that starts with an object held does not begin without one: what was lifted may be lost
    on the way home. A goal that a person asks for with nothing held may be reached all the same.
    """
    if assignment.new_scene or assignment.reset_bin:
        holding = False
    keep_closed = holding and task.requires == "holding"
    draw = seeds.generator(assignment.seed, "home").uniform(-1.0, 1.0, 2) * config.home_spread_m
    # micrometres, so that the number is the same whatever way it travels
    offset = (round(float(draw[0]), 6), round(float(draw[1]), 6), 0.0)
    if assignment.new_scene:
        yield from go_home((0.0, 0.0, 0.0), opened=True)
        progress.objects = yield NewScene(assignment.seed)
    if assignment.reset_bin:
        yield ResetBin(assignment.seed)
    observation = yield from go_home(offset, opened=not keep_closed)
    needed = task.requires == "holding" and (keep_closed or assignment.goal is None)
    if needed and not (yield from is_held(config, tasks, task, observation)):
        lost = "what was lifted is lost" if keep_closed else "nothing was lifted before"
        raise CellFault(Fault.EMPTY_GRIPPER, f"{task.name} starts with an object held: {lost}")
    return observation


def _steps(
    config: LifeConfig,
    task: Task,
    assignment: Assignment,
    number: int,
    observation: Observation,
    progress: _Progress,
):
    """The episode proper; returns why it ended and the last observation."""
    episode_id = f"{config.run}-{config.robot}-{number:06d}"
    for index in range(config.max_steps):
        answer: PolicyAnswer = yield Choose(
            PolicyRequest(
                config.robot,
                episode_id,
                index,
                assignment.seed,
                task.name,
                assignment.policy,
                observation,
                assignment.goal,
            )
        )
        if answer.error:
            raise CellFault(Fault.POLICY, f"error {answer.error}: {answer.error_msg}")
        if progress.begin is None:
            progress.begin = EpisodeBegin(
                observation.stamp_s,
                config.robot,
                episode_id,
                number,
                assignment.seed,
                task.name,
                assignment.policy,
                answer.checkpoint,
                config.control_period_s,
                config.camera_names,
            )
            progress.last = observation
            yield Begin(progress.begin, observation, assignment.goal)
        sent, after = yield Act(answer.action, None, episode_id, index)
        check_arm(sent)
        yield RecordStep(Step(observation, answer.action, sent))
        progress.steps, progress.last = index + 1, after
        observation = after
        if answer.action.terminate:
            return EndReason.TERMINATE, observation
    return EndReason.LIMIT, observation


def _close(
    config: LifeConfig,
    task: Task,
    assignment: Assignment,
    reason: EndReason,
    last: Observation,
    progress: _Progress,
):
    """Judges, labels and ends an episode; returns its outcome."""
    begin = progress.begin
    goal = assignment.goal
    truth = tuple((yield LabelByTruth(last, goal)))
    judged: tuple[TaskLabel, ...] = ()
    if config.judge == "detector" and goal is None:
        progress.labels = truth
        judged = tuple((yield Judge(last, begin.episode_id)))
    labels = judged + truth
    own = None
    if config.judge != "none":
        own = next((label for label in labels if label.task == task.name), None)
        if own is None and goal is None:
            progress.labels = labels
            raise CellFault(Fault.JUDGE, f"nobody judged {task.name}")
    end = EpisodeEnd(
        last.stamp_s,
        begin.episode_id,
        reason,
        Fault.NONE,
        "",
        progress.steps,
        bool(own and own.success),
        # the wire's float32
        float(np.float32(own.probability)) if own else 0.0,
        own.source if own else "none",
        labels,
    )
    progress.begin = None  # its end is said: a fault from here on must not say it again
    recorded = yield End(end, last)
    if not recorded:
        return Outcome(
            task.name,
            assignment.policy,
            False,
            False,
            end,
            Fault.RECORDER,
            "the recorder refused the episode",
        )
    holding = end.success and task.skill == "lift"
    return Outcome(task.name, assignment.policy, end.success, holding, end)


def _give_up(assignment: Assignment, fault: CellFault, progress: _Progress):
    """Ends what was begun as void, then waits until the cell is sound again."""
    end = None
    if progress.begin is not None:
        begin, last = progress.begin, progress.last
        end = EpisodeEnd(
            last.stamp_s,
            begin.episode_id,
            EndReason.FAULT,
            fault.fault,
            fault.message,
            progress.steps,
            False,
            0.0,
            "none",
            progress.labels,
        )
        try:
            yield End(end, last)
        except CellFault as second:
            fault = CellFault(fault.fault, f"{fault.message}; then {second}")
    yield from recover(fault)
    return Outcome(
        assignment.task, assignment.policy, False, False, end, fault.fault, fault.message
    )
