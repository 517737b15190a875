"""How large the experiment with new tasks is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtopt_learning.train.learning_rate import decayed
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
        learning_rate: Of the first round's steps; from round to round it falls by half a cosine
            towards a tenth.
        evaluation_episodes: A task and policy.
        share: New episodes, as a share of the old ones, at most; the paper's 14,000 of 800,000.
        recent_share: Of the drawn episodes, this share comes from the new ones.
        episodes_per_scene: New objects after so many episodes, once what is lifted was put to
            use. What is to be covered is put on the plate by a new scene alone: a bin that tips
            throws it back; and a cloth may still hang from the open fingers after a failed try.
        evaluation_seed: Of the scenes: all policies meet the same ones.
        epsilon, noise: Exploration of the policies that collect; see `ActConfig`.
        robots: Stations of each cell.
        cells: That collect side by side, each in a process of its own.
        seed: Of collecting and learning.
    """

    rounds: int
    steps: int
    evaluation_episodes: int
    learning_rate: float = 1.6e-3
    share: float = 0.0175
    recent_share: float = 0.6
    episodes_per_scene: int = 1
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
        for name in ("share", "learning_rate"):
            if getattr(self, name) <= 0:
                raise InputError(
                    name, where="new tasks", got=getattr(self, name), expected="above 0"
                )

    def round_episodes(self, old_episodes: int) -> int:
        """Of each round."""
        return max(int(self.share * old_episodes / self.rounds), 1)

    def round_rate(self, number: int) -> float:
        """The learning rate of round `number`, from 1 on."""
        return decayed(self.learning_rate, number - 1, self.rounds)


SCALES = {
    "small": NewTaskConfig(rounds=3, steps=300, evaluation_episodes=20),
    "medium": NewTaskConfig(rounds=6, steps=1000, evaluation_episodes=100),
    "full": NewTaskConfig(rounds=8, steps=3000, evaluation_episodes=100),
}
"""For the experiments of the same names of `mtopt benchmark paper`."""
