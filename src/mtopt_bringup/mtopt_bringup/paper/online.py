"""MT-Opt goes on with its own episodes: on-policy rounds after the offline comparison."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mtopt_bringup.paper.config import PaperConfig
from mtopt_bringup.rounds import RoundConfig, RoundFolders, run_round
from mtopt_bringup.stages import copy_folder
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.run_folder import load_run, save_run
from mtopt_spec.task import TaskList


class Online:
    """The rounds of one run, in a folder of its own: the offline data set stays as it is.

    Args:
        out: Folder of the experiment; makes `online/` in it.
        config: How much.
        tasks: Of the cell.
    """

    def __init__(self, out: Path, config: PaperConfig, tasks: TaskList):
        self._out, self._config, self._tasks = out, config, tasks
        home = out / "online"
        self.folders = RoundFolders(home / "bags", home / "data", home / "run")

    def begin(self, offline: Path) -> dict:
        """Copies a run and the data set that it learned from."""
        copy_folder(self._out / "data", self.folders.data)
        copy_folder(offline, self.folders.run)
        (self.folders.run / "evaluation.json").unlink(missing_ok=True)
        trainer = load_run(self.folders.run, self._tasks)
        trainer.set_config(self._all_cores(trainer.config))
        save_run(self.folders.run, trainer)
        return {"step": trainer.step}

    def round(self, number: int) -> dict:
        """Collects what the scheduler finds needed, all tasks, and trains on."""
        config = self._config
        settings = RoundConfig(
            tasks=self._tasks.names, episodes=config.online_episodes, steps=config.online_steps,
            epsilon=config.epsilon, noise=config.noise, robots=config.robots,
            seed=config.seed + 1,
        )  # fmt: skip
        return run_round(number, self.folders, settings, self._tasks)

    def _all_cores(self, config: TrainConfig) -> TrainConfig:
        return replace(config, threads=len(os.sched_getaffinity(0)))
