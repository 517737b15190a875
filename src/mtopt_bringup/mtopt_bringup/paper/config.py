"""How large the experiment is."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError

LIFT_ANY, PLACE_ANY = "lift-any", "place-any"


@dataclass(frozen=True)
class PaperConfig:
    """Sizes of all stages. The lift that a place task starts from is an episode more.

    Attributes:
        scripted_episodes: By the scripts.
        learned_rounds, learned_episodes: Rounds by what the collector learned from the episodes so
            far, and episodes of each.
        lift_share, place_share: Episodes of lift-any, of place-any, to one of each other task.
        part_episodes: Scripted episodes of one stage, at most.
        collector_steps: Gradient steps of the collector before its first round and after each.
        steps: Gradient steps of every learner that is compared.
        train: What the learners have in common; each changes what its row is about.
        arms: Names of the rows, see `arms.ARMS`; none: all.
        seeds: Each row is trained with so many seeds.
        evaluation_episodes: A task and row.
        evaluation_seed: Of the scenes: all rows meet the same ones.
        online_rounds, online_episodes, online_steps: After the comparison the row `arms.ONLINE`
            goes on with its own episodes of all tasks: rounds, episodes and gradient steps of each.
        epsilon, noise: Exploration of the learned policies that collect; see `ActConfig`.
        robots: Stations of the in-process loop.
        seed: Of the collecting; learners count on from it.
    """

    scripted_episodes: int
    learned_rounds: int
    learned_episodes: int
    collector_steps: int
    steps: int
    evaluation_episodes: int
    online_rounds: int
    online_episodes: int
    online_steps: int
    lift_share: int = 48
    place_share: int = 8
    part_episodes: int = 5000
    train: TrainConfig = field(default_factory=lambda: TrainConfig(threads=1))
    arms: tuple[str, ...] = ()
    seeds: int = 1
    evaluation_seed: int = 1000
    epsilon: float = 0.02
    noise: float = 0.05
    robots: int = 7
    seed: int = 0

    def __post_init__(self):
        for name, least in (
            ("scripted_episodes", 1), ("learned_rounds", 0), ("learned_episodes", 1),
            ("collector_steps", 1), ("steps", 1), ("evaluation_episodes", 1),
            ("online_rounds", 0), ("online_episodes", 1), ("online_steps", 1), ("lift_share", 1),
            ("place_share", 1), ("part_episodes", 1), ("seeds", 1), ("robots", 1), ("noise", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise InputError(
                    name, where="experiment", got=getattr(self, name), expected=f"at least {least}"
                )
        if not 0 <= self.epsilon <= 1:
            raise InputError("epsilon", where="experiment", got=self.epsilon, expected="in [0, 1]")


SCALES = {
    "small": PaperConfig(
        scripted_episodes=4200, learned_rounds=2, learned_episodes=500, collector_steps=400,
        steps=350, evaluation_episodes=20, online_rounds=2, online_episodes=400, online_steps=300,
    ),
    "medium": PaperConfig(
        scripted_episodes=12_000, learned_rounds=3, learned_episodes=1000, collector_steps=800,
        steps=3000, evaluation_episodes=50, online_rounds=26, online_episodes=600,
        online_steps=1000, part_episodes=4000,
    ),
    "full": PaperConfig(
        scripted_episodes=100_000, learned_rounds=20, learned_episodes=5000, collector_steps=2000,
        steps=60_000, evaluation_episodes=100, online_rounds=20, online_episodes=2500,
        online_steps=2000, seeds=3,
    ),
}  # fmt: skip
"""On two cores `small` takes less than half an hour, `medium` three hours; `full` holds at least
200,000 episodes."""
