"""Whether the gripper holds what a task starts with."""

from __future__ import annotations

from collections.abc import Generator

from mtopt_control.episode.life_config import LifeConfig
from mtopt_control.episode.requests import Judge, LabelByTruth, Request
from mtopt_spec.observation import Observation
from mtopt_spec.task import Task, TaskList


def is_held(
    config: LifeConfig, tasks: TaskList, task: Task, observation: Observation
) -> Generator[Request, object, bool]:
    """Whether the gripper holds what the task starts with.

    By the fingers' opening; where that cannot tell, who judges says whether the thing is lifted.
    """
    if not holds(observation, task.least_opening_m):
        return False
    if task.least_opening_m or task.holds is None or config.judge == "none":
        return True
    lift = tasks.lift_of(task.holds, task.name)
    labels = yield (
        Judge(observation, "") if config.judge == "detector" else LabelByTruth(observation)
    )
    return all(label.success for label in labels if label.task == lift.name)


def holds(observation: Observation, least_opening_m: float) -> bool:
    """Whether closed fingers are as far apart as what they may hold is thick at least."""
    return observation.gripper_closed and observation.gripper_opening_m >= least_opening_m
