"""A robot's life as a generator: it yields requests and is sent the answers.

It knows neither ROS nor a clock: `episode_node` answers with topics and services, the in-process
loop with calls. Both therefore run the very same episodes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from mtopt_control.episode.arm_requests import recover
from mtopt_control.episode.holding import holds
from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.one_episode import Outcome, run_episode
from mtopt_control.episode.requests import AskTask, CellFault, Look, Request
from mtopt_spec.goal import Goal
from mtopt_spec.interfaces import Assignment, EpisodeReport, TaskRequest
from mtopt_spec.observation import Observation
from mtopt_spec.task import LEAST_OPENING_M, TaskList


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
            yield from recover(fault)
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
        least_opening_m = LEAST_OPENING_M
        if single.task in tasks.names:
            least_opening_m = tasks.named(single.task).least_opening_m
        holding = holds(observation, least_opening_m)
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
        return Outcome(single.task, single.policy, False, False, None, fault.fault, fault.message)
    return (yield from run_episode(config, tasks, assignment, single.number, holding))
