"""Measures who reaches goals in the node graph: the same scenes, starts and judge as in-process."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mtopt_bringup.cell_options import CellOptions
from mtopt_bringup.domain import domain_environment
from mtopt_bringup.goalset.end_watch_node import EndWatchNode
from mtopt_bringup.goalset.ends import EndFolder
from mtopt_bringup.goalset.goal_set import GoalSet, ShownGoal
from mtopt_bringup.goalset.outcomes import begin_or_go_on, outcome_result, write_outcomes
from mtopt_bringup.goalset.reaching import ReachConfig, evaluation_about
from mtopt_bringup.graph import robot_names
from mtopt_bringup.policies import QFUNCTION
from mtopt_bringup.ros_cell import run_cell
from mtopt_bringup.ros_visit import RosVisit
from mtopt_bringup.run_folder import start_run
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagEpisode, BagReader
from mtopt_learning.policy.scripted_pick import CLEAN_PICK
from mtopt_spec.errors import InputError
from mtopt_spec.goal import REACH_GOAL, Goal
from mtopt_spec.interfaces import Policy, PolicyRequest
from mtopt_spec.observation import MAX_OPENING_M, Observation

BAGS, LEFT = "bags", "left"
"""Below the folder of an evaluation: what was recorded, and the goals of the last call."""


@dataclass
class _Recorded:
    """What the bags of a run hold.

    Attributes:
        reached: Seed of a goal's scene to its complete episode.
        lifted: Seed to whether the script's lift, before the episode, was complete and succeeded.
    """

    reached: dict[int, BagEpisode] = field(default_factory=dict)
    lifted: dict[int, bool] = field(default_factory=dict)


def evaluate_goals_in_cell(
    goals: GoalSet,
    policy: Policy,
    config: ReachConfig,
    checkpoint: Path | None,
    out: Path,
    on_episode: Callable[[int], None] | None = None,
) -> dict:
    """Runs the episodes that `out` does not hold yet in a cell of its own, in lockstep.

    Args:
        goals: What is to be reached.
        policy: The same as the cell's: tells the Q of last actions, which no bag holds.
        config: How; the robots are the cell's, and each is a process.
        checkpoint: Of the policy; None for one without.
        out: Folder of last pictures, of what is done, and of the cell's bags and logs.
        on_episode: Called with the number of goals that are done.

    Returns:
        As `evaluate_goals`.

    Raises:
        InputError: The goals have no scene, `out` is damaged or somebody else's, or no episode
            is complete.
        RuntimeError: The cell failed; finished episodes are kept.
        KeyboardInterrupt: Interrupted; finished episodes are kept.
    """
    world = goals.world_file()
    about = evaluation_about(goals, config)
    stored_as = {**about, "harness": "ros"}
    ends = EndFolder(out / "ends", goals)
    done = begin_or_go_on(out, stored_as, ends)
    left = [n for n in range(len(goals.goals)) if n not in done]
    faults = 0
    if left:
        ends.folder.mkdir(parents=True, exist_ok=True)
        replace(goals, goals=tuple(goals.goals[n] for n in left)).write(out / LEFT)
        start = start_run(out / BAGS, 0, "reach")
        options = CellOptions(
            robots=min(config.robots, len(left)), episodes=0, out=str((out / BAGS).resolve()),
            policy=config.policy, checkpoint=str(checkpoint.resolve()) if checkpoint else "",
            run=start.run, goals=str((out / LEFT).resolve()), max_steps=config.max_steps,
            world=str(world.resolve()), tasks_file=goals.tasks_file,
        )  # fmt: skip
        wanted = {goals.goals[n].scene_seed: goals.goals[n].goal.truth for n in left}
        run, watched = _run_watched(
            options, wanted, lambda ended: on_episode and on_episode(len(done) + ended)
        )
        recorded = _read_recorded(out / BAGS, start.run)
        over = not run.failure and not run.interrupted
        for number in left:
            shown = goals.goals[number]
            episode = recorded.reached.get(shown.scene_seed)
            if episode is not None:
                done[number] = _outcome(number, shown, episode, policy, config, watched, ends)
            elif shown.goal.holding and not recorded.lifted.get(shown.scene_seed, not over):
                done[number] = {"success": None}  # it never had what it starts with
            elif over:
                done[number] = {"success": False, "fault": f"see the logs in {out / BAGS}"}
                faults += 1
        write_outcomes(out, stored_as, done)
        if on_episode:
            on_episode(len(done))
        if run.interrupted:
            raise KeyboardInterrupt
        if run.failure:
            raise RuntimeError(f"the cell failed: {run.failure}")
    return {**about, **outcome_result(goals, done, ends), "failed_by_fault": faults}


def _run_watched(options: CellOptions, wanted, on_ended):
    """The cell's run, and the node that saw how its episodes ended."""
    os.environ.update(domain_environment())  # the cell keeps it
    robots = robot_names(options)

    def make(context) -> EndWatchNode:
        return EndWatchNode(robots, wanted, context=context)

    with RosVisit(make, int(os.environ["ROS_DOMAIN_ID"])) as visit:

        def watch(_) -> None:
            visit.listen(0.02)
            on_ended(len(visit.node.ended))

        run = run_cell(options, while_running=watch)
        visit.listen(0.5)
    return run, visit.node


def _read_recorded(out: Path, run: str) -> _Recorded:
    recorded = _Recorded()
    for episode in _episodes(out):
        begin = episode.begin
        if not begin.episode_id.startswith(f"{run}-"):
            continue
        if begin.task == REACH_GOAL:
            recorded.reached[begin.seed] = episode
        elif begin.policy == CLEAN_PICK:
            recorded.lifted[begin.seed] = bool(episode.end.success)
    return recorded


def _episodes(out: Path) -> Iterator[BagEpisode]:
    try:
        bags = find_bags([out])
    except InputError:
        return
    for bag in bags:
        with BagReader(bag) as reader:
            yield from reader.episodes()


def _outcome(
    number: int, shown: ShownGoal, episode: BagEpisode, policy: Policy, config: ReachConfig,
    watched: EndWatchNode, ends: EndFolder,
) -> dict:  # fmt: skip
    """Keeps the pictures of a goal's episode; returns what is known of it."""
    pictures = episode.images_jpeg[ends.goals.camera]
    ends.keep(
        number, pictures[0], pictures[-1],
        distance_m=watched.distance_m(episode.begin.episode_id), steps=episode.end.steps,
    )  # fmt: skip
    q = last_q(policy, episode, shown.goal) if config.policy == QFUNCTION else math.nan
    return {"success": bool(episode.end.success), "q": q, **ends.read(number)}


def last_q(policy: Policy, episode: BagEpisode, goal: Goal) -> float:
    """The Q of an episode's last action: the policy is asked again what it was asked then."""
    begin, last = episode.begin, episode.end.steps - 1
    closed, opening, x, y, z, sine, cosine = map(float, episode.state[last])
    observation = Observation(
        episode.stamp_ns[last] / 1e9,
        {camera: pictures[last] for camera, pictures in episode.images_jpeg.items()},
        closed > 0.5,
        opening * MAX_OPENING_M,
        (x, y, z, float(np.arctan2(sine, cosine))),
    )
    request = PolicyRequest(
        begin.robot, begin.episode_id, last, begin.seed, begin.task, begin.policy, observation, goal
    )
    return float(policy.choose([request])[0].q_value)
