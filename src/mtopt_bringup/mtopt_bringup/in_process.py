"""The cell without messages: the same robots, scheduler and policies, joined by calls.

All robots take each control tick together, so that the scheduler sees what it sees in the ROS
graph: for one seed both record the same episodes.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtopt_bringup.robot_group import Exchange, Group, GroupConfig, SinkMaker, make_groups
from mtopt_control.episode import requests as ask
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.requests import CellFault
from mtopt_control.schedule.schedule_config import ScheduleConfig
from mtopt_control.schedule.scheduler import TaskScheduler
from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks
from mtopt_spec.action import MAX_STEPS
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason, Fault, Policy, Scheduler, SuccessJudge
from mtopt_spec.task import TaskList

_LOG = logging.getLogger("mtopt.collect")


@dataclass(frozen=True)
class CollectConfig:
    """What to collect.

    Attributes:
        robots: How many stations.
        episodes: Complete episodes of all robots together; 0 goes on until interrupted.
        out: Folder of the bags; None records nothing.
        seed: Of every random draw.
        tasks: Names of the tasks to offer; none offers all.
        policy: `bootstrap`, or one policy's name for all tasks.
        bootstrap_fraction: Share of episodes by the bootstrap policy all the same.
        mode: `need` or `fixed`, of the scheduler.
        episodes_per_scene: New objects after so many episodes.
        processes: 0 takes one a core. What is recorded does not depend on it.
        max_steps: Control steps of an episode; then it is truncated.
        run: First part of every episode's id.
        first_episode_numbers: Robot to the number of its first episode; others begin at 0.
        world: World file; None takes the installed one.
        tasks_file: Tasks of the cell; None takes the installed ones.
    """

    robots: int = 7
    episodes: int = 100
    out: Path | None = None
    seed: int = 0
    tasks: tuple[str, ...] = ()
    policy: str = "bootstrap"
    bootstrap_fraction: float = 0.0
    mode: str = "need"
    episodes_per_scene: int = 10
    processes: int = 0
    max_steps: int = MAX_STEPS
    run: str = "run"
    first_episode_numbers: Mapping[str, int] = field(default_factory=dict)
    world: Path | None = None
    tasks_file: Path | None = None


@dataclass
class Collected:
    """What was collected.

    Attributes:
        tasks: Task to [attempts, successes]; complete episodes only.
        void_episodes: Episodes that a fault ended.
        dropped_frames: Frames that episodes missed.
        control_steps: Control periods that stations were advanced.
        wall_s: Time that it took, without starting the processes.
        spent_s: Processor time by purpose, summed over processes.
        counts: Other numbers: `pictures`, `refused`.
        lengths: Control steps of complete episodes, summed.
        interrupted: It was stopped before it was done.
    """

    tasks: dict[str, list[int]] = field(default_factory=dict)
    void_episodes: int = 0
    dropped_frames: int = 0
    control_steps: int = 0
    wall_s: float = 0.0
    spent_s: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)
    lengths: int = 0
    interrupted: bool = False

    @property
    def episodes(self) -> int:
        """Complete ones."""
        return sum(attempts for attempts, _ in self.tasks.values())

    def add(self, begin: EpisodeBegin, end: EpisodeEnd) -> None:
        """Counts an episode."""
        self.dropped_frames += end.dropped_frames
        if end.reason == EndReason.FAULT:
            self.void_episodes += 1
            return
        self.lengths += end.steps
        record = self.tasks.setdefault(begin.task, [0, 0])
        record[0] += 1
        record[1] += bool(end.success)

    def result(self) -> dict:
        """The object that `mtopt collect --json` prints."""
        wall_s = max(self.wall_s, 1e-9)
        return {
            "episodes": self.episodes,
            "void_episodes": self.void_episodes,
            "dropped_frames": self.dropped_frames,
            "control_steps_per_s": self.control_steps / wall_s,
            "episodes_per_s": self.episodes / wall_s,
            "tasks": {
                name: {"attempts": attempts, "successes": successes}
                for name, (attempts, successes) in sorted(self.tasks.items())
            },
        }


EpisodeListener = Callable[[EpisodeBegin, EpisodeEnd], None]


def collect(
    config: CollectConfig,
    *,
    policy: Policy | None = None,
    judge: SuccessJudge | None = None,
    scheduler: Scheduler | None = None,
    on_episode: EpisodeListener | None = None,
    on_tick: Callable[[list[Group]], None] | None = None,
    sinks: SinkMaker | None = None,
) -> Collected:
    """Collects episodes.

    Args:
        config: What to collect.
        policy: Answers for the policies that are not scripts: all robots that wait, in one batch.
        judge: Success detector; its label is the reward. Without it the simulator's truth is.
        scheduler: In place of the one that `config` describes.
        on_episode: Called after each episode.
        on_tick: Called after each control period of all robots.
        sinks: Take the episodes in place of bags; see `GroupConfig`.

    Returns:
        Counts; with `interrupted` set where Ctrl-C ended it. Bags are closed in either case.

    Raises:
        InputError: A task, robot or policy is unknown.
        RuntimeError: A worker process died.
    """
    cell = CellConfig(robots=config.robots, seed=config.seed, world=config.world)
    names, tasks = cell_robots(cell), cell_tasks(config.tasks_file)
    if scheduler is None:
        scheduler = make_scheduler(config, names, tasks)
    lives = tuple(
        LifeConfig(
            robot=name,
            run=config.run,
            judge="simulator" if judge is None else "detector",
            max_steps=config.max_steps,
            first_episode_number=config.first_episode_numbers.get(name, 0),
        )
        for name in names
    )
    groups = make_groups(GroupConfig(cell, lives, tasks, config.out, sinks=sinks), config.processes)
    collected = Collected()
    try:
        shared = _Shared(scheduler, policy, judge)
        with _single_torch_thread():
            _loop(groups, shared, collected, on_episode, on_tick)
    except KeyboardInterrupt:
        _LOG.warning("interrupted: closing the bags")
        collected.interrupted = True
    finally:
        for group in groups:
            group.close()
    return collected


@contextlib.contextmanager
def _single_torch_thread():
    """Small batches on one thread: several would wait for each other beside busy workers."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_scheduler(config: CollectConfig, names: tuple[str, ...], tasks: TaskList) -> TaskScheduler:
    """The scheduler that a configuration describes."""
    schedule = ScheduleConfig(
        robots=names,
        episodes=config.episodes,
        tasks=config.tasks,
        mode=config.mode,
        policy=config.policy,
        bootstrap_fraction=config.bootstrap_fraction,
        seed=config.seed,
        episodes_per_scene=config.episodes_per_scene,
    )
    return TaskScheduler(schedule, tasks)


class _Shared:
    """What all robots share."""

    def __init__(self, scheduler: Scheduler, policy: Policy | None, judge: SuccessJudge | None):
        self._scheduler, self._policy, self._judge = scheduler, policy, judge
        self.spent_s: Counter = Counter()

    def answers(self, questions: Mapping[str, ask.Request]) -> dict[str, object]:
        """Answers of all questions that wait: those to the policy in one batch."""
        began_s = time.thread_time()
        answers: dict[str, object] = {}
        chosen = {n: q.request for n, q in questions.items() if isinstance(q, ask.Choose)}
        if chosen:
            answers.update(self._choose(chosen))
        for name, question in questions.items():
            if isinstance(question, ask.AskTask):
                answers[name] = self._scheduler.assign(question.request)
            elif isinstance(question, ask.Judge):
                answers[name] = self._judged(name, question)
        self.spent_s["policy" if chosen else "shared"] += time.thread_time() - began_s
        return answers

    def _judged(self, robot: str, question: ask.Judge) -> object:
        try:
            return self._judge.judge(robot, question.observation)
        except InputError as error:
            return CellFault(Fault.JUDGE, str(error))

    def _choose(self, chosen: Mapping[str, object]) -> dict[str, object]:
        if self._policy is None:
            return {
                name: CellFault(Fault.POLICY, f"no policy named {request.policy!r} is loaded")
                for name, request in chosen.items()
            }
        return dict(zip(chosen, self._policy.choose(list(chosen.values()))))


def _loop(
    groups: list[Group],
    shared: _Shared,
    collected: Collected,
    on_episode: EpisodeListener | None,
    on_tick: Callable[[list[Group]], None] | None,
) -> None:
    """Tick after tick until every life is over."""
    for group in groups:
        group.start(None, False)  # the processes are up when all have answered
    exchanges = [group.finish() for group in groups]
    began_s = time.perf_counter()
    try:
        while True:
            for exchange in exchanges:
                _count(exchange, collected, on_episode)
            waiting = [i for i, exchange in enumerate(exchanges) if exchange.questions]
            if waiting:
                questions = {}
                for i in waiting:
                    questions.update(exchanges[i].questions)
                answers = shared.answers(dict(sorted(questions.items())))
                _go_on(groups, exchanges, waiting, answers, tick=False)
            elif any(exchange.ready for exchange in exchanges):
                active = [i for i, exchange in enumerate(exchanges) if exchange.ready]
                _go_on(groups, exchanges, active, None, tick=True)
                if on_tick is not None:
                    on_tick(groups)
            else:
                return
    finally:
        collected.wall_s += time.perf_counter() - began_s
        collected.spent_s.update(shared.spent_s)


def _go_on(
    groups: list[Group],
    exchanges: list[Exchange],
    which: list[int],
    answers: Mapping[str, object] | None,
    tick: bool,
) -> None:
    """Lets some groups go on side by side."""
    for i in which:
        mine = (
            {n: a for n, a in answers.items() if n in exchanges[i].questions} if answers else None
        )
        groups[i].start(mine, tick)
    for i in which:
        exchanges[i] = groups[i].finish()


def _count(exchange: Exchange, collected: Collected, on_episode: EpisodeListener | None) -> None:
    collected.control_steps += exchange.counts.pop("control_steps", 0)
    collected.counts.update(exchange.counts)
    collected.spent_s.update(exchange.spent_s)
    exchange.counts, exchange.spent_s = Counter(), Counter()
    for begin, end in exchange.ended:
        collected.add(begin, end)
        if on_episode is not None:
            on_episode(begin, end)
    exchange.ended = []
