"""Data for the detector's benchmarks: scripted episodes until there are enough."""

from __future__ import annotations

from pathlib import Path

from mtopt_bringup.in_process import CollectConfig
from mtopt_bringup.rounds import collect_episodes
from mtopt_bringup.run_folder import start_run
from mtopt_learning.bag.find import find_bags
from mtopt_learning.dataset.build import build_dataset
from mtopt_learning.dataset.cache import Dataset
from mtopt_sim.cell import cell_tasks

PART = 1000
"""Episodes that are collected between two builds of the data set."""


def scripted_data(
    folder: Path,
    episodes: int,
    seed: int,
    robots: int = 6,
    world: Path | None = None,
    offered: tuple[str, ...] = (),
) -> Dataset:
    """A data set of at least so many episodes; goes on where it was interrupted.

    Args:
        folder: Of `bags/` and `data/`.
        episodes: How many.
        seed: Of scenes and scripts.
        robots: Stations.
        world: World file; None takes the installed one.
        offered: Names of the tasks to collect; none collects all.

    Raises:
        KeyboardInterrupt: Interrupted; episodes that are complete stay.
    """
    bags, data, tasks = folder / "bags", folder / "data", cell_tasks()
    while True:
        done = 0
        if bags.exists():
            done = build_dataset(find_bags([bags]), data, tasks.names)["episodes"]
        if done >= episodes:
            return Dataset.open(data)
        start = start_run(bags, seed)
        collect_episodes(
            CollectConfig(
                robots=robots, episodes=min(PART, episodes - done), out=bags, seed=start.seed,
                run=start.run, world=world, tasks=offered,
            )
        )  # fmt: skip
