"""An on-policy round: the learned policy collects, episodes are judged, the Q-function goes on.

QT-Opt (arXiv 1806.10293) and MT-Opt (arXiv 2104.08212) learn offline first and are then fine-tuned
on data of their own policy. The data of all rounds stays and grows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mtopt_bringup.explorers import Explorer, collect_side_by_side
from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_bringup.policies import QFUNCTION
from mtopt_bringup.progress import episode_bar
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.policy.q_policy import ActConfig
from mtopt_learning.success.detector import SuccessDetector
from mtopt_learning.success.labelling import label_episodes
from mtopt_learning.train.run_folder import CHECKPOINT, MetricsFile, load_run, save_run
from mtopt_learning.train.trainer import Trainer
from mtopt_spec import seeds
from mtopt_spec.interfaces import Policy
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class RoundConfig:
    """How much of what a round does.

    Attributes:
        tasks: That are offered.
        mode: Of the scheduler: `need`, or `fixed`: `tasks` in turn, as often as they are named.
        episodes: To collect.
        steps: Gradient steps after it.
        epsilon, noise: Exploration; see `ActConfig`.
        recent_share: Of the drawn episodes, this share comes from the rounds.
        learning_rate: Of the steps; None: as the run has it.
        robots: Stations of each cell.
        cells: That collect side by side, each in a process of its own.
        episodes_per_scene: New objects after so many episodes.
        world, tasks_file: Of the cell; None takes the installed ones.
        seed: Of every random draw.
    """

    tasks: tuple[str, ...]
    episodes: int
    steps: int
    epsilon: float = 0.02
    noise: float = 0.05
    recent_share: float = 0.4
    learning_rate: float | None = None
    mode: str = "need"
    robots: int = 7
    cells: int = 2
    episodes_per_scene: int = 10
    world: Path | None = None
    tasks_file: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class RoundFolders:
    """Where a round reads and writes.

    Attributes:
        bags: All bags below it are data; round n adds `round_<n>`.
        data: The cache, which is brought up to date.
        run: The training run that goes on; its checkpoint collects.
        detector: Judges the new episodes; None leaves it to the simulator's truth.
    """

    bags: Path
    data: Path
    run: Path
    detector: Path | None = None


def run_round(
    number: int,
    folders: RoundFolders,
    config: RoundConfig,
    tasks: TaskList,
    through: Callable[[Policy], Policy] | None = None,
) -> dict:
    """Collects, builds, labels, trains.

    Args:
        number: From 1 on.
        folders: Where.
        config: How much.
        tasks: Of the cell.
        through: Puts something between the policy and who asks it; it can be pickled.

    Returns:
        `collected` and what `train_on` gives.

    Raises:
        KeyboardInterrupt: Interrupted; episodes that are complete stay.
    """
    out = folders.bags / f"round_{number:02d}"
    collected = collect_side_by_side(
        CollectConfig(
            robots=config.robots, episodes=config.episodes, out=out,
            seed=seeds.derive(config.seed, "round", number) % 2**31, tasks=config.tasks,
            mode=config.mode, policy=QFUNCTION, run=f"round{number}",
            episodes_per_scene=config.episodes_per_scene, world=config.world,
            tasks_file=config.tasks_file,
        ),
        Explorer(
            folders.run / CHECKPOINT, tasks, ActConfig(epsilon=config.epsilon, noise=config.noise),
            folders.detector, through,
        ),
        config.cells,
    )  # fmt: skip
    build_dataset(find_bags([folders.bags]), folders.data, tasks.names)
    dataset = Dataset.open(folders.data)
    if folders.detector is not None:
        label_episodes(dataset, SuccessDetector.load(folders.detector, tasks.names))
    trainer = load_run(folders.run, tasks)
    sampler = replace(
        trainer.config.sampler,
        recent_share=config.recent_share,
        recent_episodes=number * config.episodes,
    )
    settings = replace(trainer.config, sampler=sampler)
    if config.learning_rate is not None:
        settings = replace(settings, learning_rate=config.learning_rate, decay_steps=0)
    trainer.set_config(settings)
    return {"collected": collected, **train_on(trainer, dataset, folders.run, steps=config.steps)}


def train_on(trainer: Trainer, dataset: Dataset, folder: Path, **limits) -> dict:
    """Trains a while and saves the run.

    The reward is a person's judgement where there is one (the simulator stands in), else the
    detector's: a Q-function that has the detector alone for its reward learns to deceive it.
    """
    trainer.set_data(dataset, dataset.labels("best"))
    record = trainer.train(write=MetricsFile(folder, trainer.step), **limits)
    save_run(folder, trainer)
    return {"steps": trainer.step, "closing_auc": record.get("closing_auc")}


def collect_episodes(config: CollectConfig, **policies) -> dict:
    """Collects under a progress bar; what `mtopt collect --json` prints.

    Raises:
        KeyboardInterrupt: Interrupted; episodes that are complete stay.
    """
    # The lifts that bring an object into the gripper are episodes besides.
    with episode_bar(config.episodes if config.mode == "need" else None) as bar:
        collected = collect(config, on_episode=lambda begin, end: bar.update(), **policies)
    if collected.interrupted:
        raise KeyboardInterrupt
    return collected.result()


def even_robots(robots: int) -> int:
    """At most so many for the in-process loop: as many on each core, which wait for each other."""
    cores = len(os.sched_getaffinity(0))
    return max(robots - robots % cores, 1)
