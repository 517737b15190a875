"""One imbalanced data set, collected as the paper bootstraps it.

MT-Opt (arXiv 2104.08212, section VI): scripted policies collect for the two simplest tasks; what is
learned from that explores for the harder ones. Scripts and the collector do not know what object or
section a rare task names: a rare lift is a pick of any object, a rare place a place anywhere (the
script aims at the section), and what came of it is what the labels say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mtopt_bringup.in_process import CollectConfig
from mtopt_bringup.paper.config import LIFT_ANY, PLACE_ANY, PaperConfig
from mtopt_bringup.rounds import (
    RoundConfig,
    RoundFolders,
    collect_episodes,
    even_robots,
    run_round,
    train_on,
)
from mtopt_bringup.run_folder import start_part
from mtopt_bringup.stages import Stages, parts_of
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.train.run_folder import can_resume
from mtopt_learning.train.trainer import Trainer
from mtopt_spec import seeds
from mtopt_spec.interfaces import EndReason, Policy, PolicyAnswer, PolicyRequest
from mtopt_spec.task import TaskList


class Collection:
    """The stages of collecting.

    Args:
        out: Folder of the experiment; makes `bags/`, `data/` and `collector/` in it.
        config: How much.
        tasks: Of the cell.
        stages: Of the experiment.
    """

    def __init__(self, out: Path, config: PaperConfig, tasks: TaskList, stages: Stages):
        self._config, self._tasks, self._stages = config, tasks, stages
        self._folders = RoundFolders(out / "bags", out / "data", out / "collector")

    def run(self, go_on: Callable[[], None]) -> dict:
        """Scripted episodes in parts, then rounds of the collector; the account of the data set.

        Args:
            go_on: Called between stages; raises to stop.
        """
        config = self._config
        for part, now in parts_of(config.scripted_episodes, config.part_episodes):
            name = f"collect_scripted_{part:02d}"
            self._stages.run(name, lambda part=part, now=now: self._scripted(part, now))
            go_on()
        if config.learned_rounds:
            self._stages.run("collector", self._train_collector)
        for number in range(1, config.learned_rounds + 1):
            go_on()
            name = f"collect_learned_{number:02d}"
            self._stages.run(name, lambda number=number: self._learned(number))
        return self._stages.run("data", self._account)

    def _scripted(self, part: int, episodes: int) -> dict:
        config, out = self._config, self._folders.bags / f"scripted_{part:02d}"
        start = start_part(out, config.seed, "scripted", part)
        return collect_episodes(
            CollectConfig(
                robots=even_robots(config.robots), episodes=episodes, out=out, seed=start.seed,
                tasks=task_cycle(self._tasks, config), mode="fixed", run=start.run,
            )
        )  # fmt: skip

    def _train_collector(self) -> dict:
        folders = self._folders
        build_dataset(find_bags([folders.bags]), folders.data, self._tasks.names)
        dataset = Dataset.open(folders.data)
        if can_resume(folders.run):  # interrupted between its end and the stage's
            return {}
        settings = replace(self._config.train, seed=self._config.seed, threads=0)
        trainer = Trainer(self._tasks, dataset.cameras, settings)
        return train_on(trainer, dataset, folders.run, steps=self._config.collector_steps)

    def _learned(self, number: int) -> dict:
        config = self._config
        settings = RoundConfig(
            tasks=task_cycle(self._tasks, config), mode="fixed", episodes=config.learned_episodes,
            steps=config.collector_steps, epsilon=config.epsilon, noise=config.noise,
            robots=config.robots, seed=config.seed,
        )  # fmt: skip
        return run_round(
            number,
            self._folders,
            settings,
            self._tasks,
            partial(AsEasiest, tasks=self._tasks),
        )

    def _account(self) -> dict:
        folders = self._folders
        build_dataset(find_bags([folders.bags]), folders.data, self._tasks.names)
        return account(Dataset.open(folders.data), self._tasks)


class AsEasiest:
    """A multi-task policy that does the easiest task of each task's skill, whatever is asked."""

    def __init__(self, policy: Policy, tasks: TaskList):
        easiest = {"lift": LIFT_ANY, "place": PLACE_ANY}
        self._policy, self._does = policy, {task.name: easiest[task.skill] for task in tasks}

    def choose(self, requests: Sequence[PolicyRequest]) -> list[PolicyAnswer]:
        """One answer a request."""
        return self._policy.choose([replace(r, task=self._does[r.task]) for r in requests])


def task_cycle(tasks: TaskList, config: PaperConfig) -> tuple[str, ...]:
    """Tasks in the order in which they are collected, each as often as its share."""
    share = {LIFT_ANY: config.lift_share, PLACE_ANY: config.place_share}
    names = [task.name for task in tasks for _ in range(share.get(task.name, 1))]
    order = seeds.generator(config.seed, "task cycle").permutation(len(names))
    return tuple(names[i] for i in order)


def account(dataset: Dataset, tasks: TaskList) -> dict:
    """What a data set holds.

    Returns:
        `episodes`, `observations`, `fingerprint`, `void_episodes`; `tasks`: name to `own` and
        `own_successes` (collected for it), `skill_successes` (in episodes of its skill) and
        `policies` (name to own episodes).
    """
    truth = dataset.labels("best") >= 0.5
    good = dataset.episode_reason != EndReason.FAULT
    skills = np.array([task.skill for task in tasks])
    out = {}
    for i, name in enumerate(tasks.names):
        own = good & (dataset.episode_task == i)
        same_skill = good & np.isin(dataset.episode_task, np.flatnonzero(skills == skills[i]))
        policies, counts = np.unique(dataset.episode_policy[own].astype(str), return_counts=True)
        out[name] = {
            "own": int(own.sum()),
            "own_successes": int((own & truth[:, i]).sum()),
            "skill_successes": int((same_skill & truth[:, i]).sum()),
            "policies": {str(p): int(n) for p, n in zip(policies, counts, strict=True)},
        }
    return {
        "episodes": dataset.n_episodes,
        "void_episodes": int((~good).sum()),
        "observations": dataset.n_obs,
        "fingerprint": dataset.fingerprint,
        "tasks": out,
    }
