"""How large the experiment with new tasks is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class NewCell:
    """The cell with what the new tasks name.

    Attributes:
        tasks_file: All tasks, the new ones last.
        world: World file.
        new: Names of the new tasks.
    """

    tasks_file: Path
    world: Path
    new: tuple[str, ...]


@dataclass(frozen=True)
class NewTaskConfig:
    """Sizes of all stages.

    Attributes:
        rounds: Of collecting and fine-tuning.
        steps: Gradient steps after each round; the controls take as many as all rounds together.
        evaluation_episodes: A task and policy.
        share: New episodes, as a share of the old ones, at most; the paper's 14,000 of 800,000.
        recent_share: Of the drawn episodes, this share comes from the new ones.
        episodes_per_scene: New objects after so many episodes. What is to be covered is put on
            the plate by a new scene alone: a bin that tips throws it back.
        evaluation_seed: Of the scenes: all policies meet the same ones.
        epsilon, noise: Exploration of the policies that collect; see `ActConfig`.
        robots: Stations of each cell.
        cells: That collect side by side, each in a process of its own.
        seed: Of collecting and learning.
    """

    rounds: int
    steps: int
    evaluation_episodes: int
    share: float = 0.0175
    recent_share: float = 0.6
    episodes_per_scene: int = 2
    evaluation_seed: int = 2000
    epsilon: float = 0.02
    noise: float = 0.05
    robots: int = 7
    cells: int = 2
    seed: int = 0

    def __post_init__(self):
        for name in (
            "rounds",
            "steps",
            "evaluation_episodes",
            "episodes_per_scene",
            "robots",
            "cells",
        ):
            if getattr(self, name) < 1:
                raise InputError(
                    name, where="new tasks", got=getattr(self, name), expected="at least 1"
                )
        if self.share <= 0:
            raise InputError("share", where="new tasks", got=self.share, expected="above 0")

    def round_episodes(self, old_episodes: int) -> int:
        """Of each round."""
        return max(int(self.share * old_episodes / self.rounds), 1)


SCALES = {
    "small": NewTaskConfig(rounds=3, steps=300, evaluation_episodes=20),
    "medium": NewTaskConfig(rounds=4, steps=500, evaluation_episodes=50),
    "full": NewTaskConfig(rounds=8, steps=3000, evaluation_episodes=100),
}
"""For the experiments of the same names of `mtopt benchmark paper`."""
