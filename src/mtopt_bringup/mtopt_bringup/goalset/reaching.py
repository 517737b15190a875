"""Measures who reaches goals: each in the scene that it was shown in, the truth as the judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtopt_bringup.goalset.ends import EndFolder
from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_bringup.goalset.outcomes import begin_or_go_on, outcome_result, write_outcomes
from mtopt_bringup.goalset.scripts import CLEAN_PICK, clean_pick
from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_learning.evaluate.goal_schedule import GoalJob, GoalSchedule
from mtopt_learning.policy.policy_mux import PolicyMux
from mtopt_sim.cell import CellConfig, cell_robots, cell_tasks
from mtopt_spec.action import MAX_STEPS
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import Policy, PolicyAnswer, PolicyRequest

_SAVE_EVERY_S = 5.0


@dataclass(frozen=True)
class ReachConfig:
    """How goals are to be reached.

    Attributes:
        policy: Name of the policy.
        fingerprint: Of its checkpoint; "" for one without.
        max_steps: Control steps of an episode; then it ends where it is. At least as many as the
            demonstrations had, since the lift that an episode starts with is one of theirs.
        robots: Stations side by side.
        processes: 0 takes one a core.
    """

    policy: str
    fingerprint: str = ""
    max_steps: int = 30
    robots: int = 7
    processes: int = 0

    def __post_init__(self):
        if self.max_steps < MAX_STEPS:
            raise InputError(
                "max_steps", where="reaching goals", got=self.max_steps,
                expected=f"at least {MAX_STEPS}, which the script that lifts may need",
            )  # fmt: skip


def evaluate_goals(
    goals: GoalSet,
    policy: Policy,
    config: ReachConfig,
    out: Path,
    on_episode: Callable[[int], None] | None = None,
) -> dict:
    """Runs the episodes that `out` does not hold yet.

    Args:
        goals: What is to be reached.
        policy: Answers requests that name `config.policy`.
        config: How.
        out: Folder of last pictures and of what is done.
        on_episode: Called with the number of goals that are done.

    Returns:
        `kinds`: kind to `attempts`, `successes`, Wilson's 95 % interval `low`, `high` and
        `median_distance_m` at the end; `mean` of the kinds; `goals`: of each goal `number`,
        `kind`, `object`, `success`, `distance_m`, `steps`, `q` (of the last action) and `end`,
        its last picture's file; `unprepared`: goals without an attempt, since the object that
        they start with could not be lifted; `other_starts`: goals whose start looked otherwise
        than in the demonstration; of this call `failed_by_fault`.

    Raises:
        InputError: The goals have no scene, `out` is damaged or somebody else's, or no episode
            is complete.
        KeyboardInterrupt: Interrupted; finished episodes are kept.
    """
    world = goals.world_file()
    tasks_file = Path(goals.tasks_file) if goals.tasks_file else None
    about = evaluation_about(goals, config)
    ends = EndFolder(out / "ends", goals)
    done = begin_or_go_on(out, about, ends)
    jobs = [
        GoalJob(number, shown.scene_seed, shown.goal)
        for number, shown in enumerate(goals.goals)
        if number not in done
    ]
    faults = 0
    if jobs:
        ends.folder.mkdir(parents=True, exist_ok=True)
        cell = CellConfig(robots=min(config.robots, len(jobs)), world=world)
        robots = cell_robots(cell)
        schedule = GoalSchedule(jobs, robots, cell_tasks(tasks_file), config.policy, CLEAN_PICK)
        watched = _LastQ(policy)
        saved_s = time.monotonic()

        def outcomes() -> dict[int, dict]:
            found = {number: {"success": None} for number in schedule.unprepared}
            for number, success in schedule.results.items():
                q = watched.q.get(goals.goals[number].scene_seed, math.nan)
                fault = schedule.failed_by_fault.get(number)
                known = ends.read(number) if fault is None else {"fault": fault}
                found[number] = {"success": success, "q": q, **known}
            return {**done, **found}

        def note(begin, end) -> None:
            nonlocal saved_s
            if on_episode:
                on_episode(len(done) + len(schedule.results) + len(schedule.unprepared))
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                saved_s = time.monotonic()
                write_outcomes(out, about, outcomes())

        collected = collect(
            CollectConfig(
                robots=len(robots), processes=config.processes, run="reach", world=world,
                tasks_file=tasks_file, max_steps=config.max_steps,
            ),
            policy=PolicyMux({config.policy: watched, CLEAN_PICK: clean_pick()}),
            scheduler=schedule, on_episode=note, sinks=ends,
        )  # fmt: skip
        done, faults = outcomes(), len(schedule.failed_by_fault)
        if on_episode:
            on_episode(len(done))
        write_outcomes(out, about, done)
        if collected.interrupted:
            raise KeyboardInterrupt
    return {**about, **outcome_result(goals, done, ends), "failed_by_fault": faults}


class _LastQ:
    """A policy that remembers the Q of each episode's last action, by the episode's seed."""

    def __init__(self, policy: Policy):
        self._policy = policy
        self.q: dict[int, float] = {}

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """What the policy answers."""
        answers = self._policy.choose(requests)
        for request, answer in zip(requests, answers):
            self.q[request.seed] = float(answer.q_value)
        return answers


def evaluation_about(goals: GoalSet, config: ReachConfig) -> dict:
    """What must be the same for outcomes to be of the same evaluation."""
    return {
        "policy": config.policy,
        "checkpoint": config.fingerprint,
        "goal_set": goals.fingerprint,
        "max_steps": config.max_steps,
    }
