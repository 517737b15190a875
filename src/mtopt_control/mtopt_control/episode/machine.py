"""A robot's life as a generator: it yields requests and is sent the answers.

It knows neither ROS nor a clock: `episode_node` answers with topics and services, the in-process
loop with calls. Both therefore run the very same episodes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

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
    RecordStep,
    Recover,
    Request,
    ResetBin,
)
from mtopt_spec import seeds
from mtopt_spec.action import CONTROL_PERIOD_S, MAX_STEPS, Action, ArmError, Kind, SentAction
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd, Step
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.interfaces import (
    Assignment,
    EndReason,
    EpisodeReport,
    Fault,
    PolicyAnswer,
    PolicyRequest,
    TaskLabel,
    TaskRequest,
)
from mtopt_spec.observation import Observation
from mtopt_spec.task import Task, TaskList

JUDGES = ("detector", "simulator", "none")
FAULT_OF_ARM = {
    ArmError.INVALID_ACTION: Fault.POLICY,
    ArmError.STALE_STATE: Fault.ARM,
    ArmError.STOPPED: Fault.ARM,
    ArmError.TRACKING: Fault.ARM,
    ArmError.STALE_OBSERVATION: Fault.STALE_OBSERVATION,
    ArmError.NO_HEARTBEAT: Fault.ARM,
    ArmError.EFFORT: Fault.ARM,
    ArmError.BUSY: Fault.ARM,
}
"""Arm errors that make an episode void; at the edge of reach (others) the arm only moves less."""
_NOT_READY = {
    ArmError.STOPPED,
    ArmError.STALE_STATE,
    ArmError.NO_HEARTBEAT,
    ArmError.EFFORT,
    ArmError.BUSY,
}
"""Arm errors that pass, at the latest when somebody has seen to the arm."""
_HOMING_PERIODS = 60


@dataclass(frozen=True)
class LifeConfig:
    """How a robot lives.

    Attributes:
        robot: Its namespace without the slash.
        run: Name of the run, first part of every episode's id.
        judge: Whose label is an episode's reward: `detector` (the simulator's where it gives
            none), `simulator`, or `none` (people label later). No detector knows a goal: an
            episode with one has the simulator's label or none.
        max_steps: Control steps of an episode; then it is truncated.
        home_spread_m: The home position is shifted by up to this in x and y, drawn anew for
            each episode.
        camera_names: Cameras of an observation.
        control_period_s: Time between observations.
        first_episode_number: Of the first episode of this run.
    """

    robot: str
    run: str = "run"
    judge: str = "simulator"
    max_steps: int = MAX_STEPS
    home_spread_m: float = 0.05
    camera_names: tuple[str, ...] = ("shoulder", "wrist")
    control_period_s: float = CONTROL_PERIOD_S
    first_episode_number: int = 0

    def __post_init__(self):
        if self.judge not in JUDGES:
            raise InputError(
                "judge", where="episode parameters", got=self.judge, expected=f"one of {JUDGES}"
            )
        if not 0 < self.max_steps <= MAX_STEPS * 50 or self.home_spread_m < 0:
            raise InputError(
                "max_steps, home_spread_m",
                where="episode parameters",
                got=(self.max_steps, self.home_spread_m),
                expected="at least 1 step and a spread of at least 0 m",
            )


@dataclass(frozen=True)
class Outcome:
    """How an episode went.

    `end` is None where it never began, `objects` are those of its new scene, if it had one.
    """

    task: str
    policy: str
    success: bool
    void: bool
    holding: bool
    end: EpisodeEnd | None = None
    fault: Fault = Fault.NONE
    message: str = ""
    objects: tuple[str, ...] | None = None

    def report(self) -> EpisodeReport:
        """What the scheduler is told."""
        return EpisodeReport(self.task, self.policy, self.success, self.void)


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


def run_robot(config: LifeConfig, tasks: TaskList) -> Generator[Request, object, None]:
    """Episode after episode until the scheduler has no more; see `requests` for the dialogue.

    A `CellFault` thrown in makes the running episode void; the robot waits until the cell is sound
    again and goes on.
    """
    number = config.first_episode_number
    holding = False
    objects: tuple[str, ...] = ()
    report: EpisodeReport | None = None
    while True:
        request = TaskRequest(float("nan"), config.robot, number, holding, report, objects)
        try:
            assignment: Assignment | None = yield AskTask(request)
        except CellFault as fault:
            yield from _recover(fault)
            continue
        if assignment is None:
            return
        outcome = yield from run_episode(config, tasks, assignment, number, holding)
        report, holding = outcome.report(), outcome.holding
        objects = objects if outcome.objects is None else outcome.objects
        number += 1


@dataclass(frozen=True)
class SingleEpisode:
    """One episode on request.

    Attributes:
        task: Empty: the scheduler chooses everything.
        policy: Empty: the task's own.
        seed: Of the episode.
        reset_bin: Tip the bin first.
        number: Of the episode.
        goal: That it is to reach; its task is then `REACH_GOAL`, and a policy is named.
    """

    task: str
    policy: str
    seed: int
    reset_bin: bool
    number: int
    goal: Goal | None = None


def run_single(
    config: LifeConfig, tasks: TaskList, single: SingleEpisode
) -> Generator[Request, object, Outcome | None]:
    """One episode on request; None where the scheduler has no task."""
    try:
        observation: Observation = yield Look()
        known = single.task in tasks.names
        task = tasks.named(single.task) if known else Task
        holding = _holds(observation, task.least_opening_m)
        if single.task:
            policy = single.policy or tasks.named(single.task).bootstrap_policy
            assignment = Assignment(
                single.task, policy, single.reset_bin, False, single.seed, single.goal
            )
        else:
            request = TaskRequest(float("nan"), config.robot, single.number, holding, None)
            assignment = yield AskTask(request)
            if assignment is None:
                return None
    except CellFault as fault:
        return Outcome(
            single.task, single.policy, False, True, False, None, fault.fault, fault.message
        )
    return (yield from run_episode(config, tasks, assignment, single.number, holding))


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
        observation = yield from _prepare(config, task, assignment, holding, progress)
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
    config: LifeConfig, task: Task, assignment: Assignment, holding: bool, progress: _Progress
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
        yield from _go_home((0.0, 0.0, 0.0), opened=True)
        progress.objects = yield NewScene(assignment.seed)
    if assignment.reset_bin:
        yield ResetBin(assignment.seed)
    observation = yield from _go_home(offset, opened=not keep_closed)
    needed = task.requires == "holding" and (keep_closed or assignment.goal is None)
    if needed and not _holds(observation, task.least_opening_m):
        lost = "what was lifted is lost" if keep_closed else "nothing was lifted before"
        raise CellFault(Fault.EMPTY_GRIPPER, f"{task.name} starts with an object held: {lost}")
    return observation


def _holds(observation: Observation, least_opening_m: float) -> bool:
    return observation.gripper_closed and observation.gripper_opening_m >= least_opening_m


def _go_home(offset_m: tuple[float, float, float], *, opened: bool):
    """Moves home in as many control periods as it takes, at least one."""
    action = Action(Kind.HOME, open=opened, home_offset_m=offset_m)
    for _ in range(_HOMING_PERIODS):
        sent, observation = yield Act(action)
        if sent.error not in (ArmError.TRACKING, ArmError.BUSY):  # another try may pass
            _check_arm(sent)
        if sent.arrived:
            return observation
    raise CellFault(Fault.ARM, f"not home after {_HOMING_PERIODS} control periods")


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
        _check_arm(sent)
        yield RecordStep(Step(observation, answer.action, sent))
        progress.steps, progress.last = index + 1, after
        observation = after
        if answer.action.terminate:
            return EndReason.TERMINATE, observation
    return EndReason.LIMIT, observation


def _check_arm(sent: SentAction) -> None:
    if sent.error in FAULT_OF_ARM:
        raise CellFault(FAULT_OF_ARM[sent.error], f"{sent.error.name}: {sent.error_msg}")


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
            True,
            False,
            end,
            Fault.RECORDER,
            "the recorder refused the episode",
        )
    holding = end.success and task.skill == "lift"
    return Outcome(task.name, assignment.policy, end.success, False, holding, end)


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
    yield from _recover(fault)
    return Outcome(
        assignment.task, assignment.policy, False, True, False, end, fault.fault, fault.message
    )


def _recover(fault: CellFault):
    """Waits until observations come again and the arm takes commands, holding all the while."""
    while True:
        try:
            yield Recover(fault.fault, fault.message)
            sent, _ = yield Act(Action(Kind.HOLD))
            while sent.error in _NOT_READY:
                sent, _ = yield Act(Action(Kind.HOLD))
            return
        except CellFault as another:
            fault = another
