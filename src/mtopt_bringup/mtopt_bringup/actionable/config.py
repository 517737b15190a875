"""How large the experiment with goal pictures is."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtopt_learning.train.config import TrainConfig
from mtopt_spec.action import MAX_STEPS
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class GoalsConfig:
    """Sizes of all stages.

    Attributes:
        steps: Gradient steps of every learner of goals.
        goals: Of each kind, in each goal set.
        rearrangements: Episodes of a script that puts down elsewhere what it picked; they are
            added to the data set that goals are learned from. 0: goals are learned from it alone.
        part_episodes: Of them, collected in one go.
        fine_tune_steps: Gradient steps of a downstream task, from either start.
        beside_steps: Gradient steps of all tasks, with and without goals beside them.
        evaluation_episodes: A downstream task and row.
        goal_batch: Steps with goals a gradient step, where goals alone are learned.
        beside_batch: The same beside `train.batch` states of tasks.
        train: What the learners have in common; each changes what its row is about.
        rows: Names of the rows, see `rows.ROWS`; none: all.
        seeds: Each row is trained with so many seeds.
        tasks: That are fine-tuned; none: no fine-tuning.
        episodes: Of the task itself, that fine-tuning learns from; all, where there are fewer.
        goal_seed: Of the goals' scenes: all rows are to reach the same goals.
        max_steps: Control steps of an episode that is to reach a goal.
        evaluation_seed: Of the downstream tasks' scenes: all rows meet the same ones.
        robots: Stations of the in-process loop.
        seed: Learners count on from it.
    """

    steps: int
    goals: int
    fine_tune_steps: int
    beside_steps: int
    evaluation_episodes: int
    rearrangements: int = 0
    part_episodes: int = 3000
    goal_batch: int = 128
    beside_batch: int = 64
    train: TrainConfig = field(default_factory=lambda: TrainConfig(threads=1))
    rows: tuple[str, ...] = ()
    seeds: int = 1
    tasks: tuple[str, ...] = ("lift-box", "lift-banana", "lift-milk")
    episodes: tuple[int, ...] = (50, 200, 1000)
    goal_seed: int = 500
    max_steps: int = 30
    evaluation_seed: int = 1000
    robots: int = 7
    seed: int = 0

    def __post_init__(self):
        for name, least in (
            ("steps", 1), ("goals", 1), ("fine_tune_steps", 1), ("beside_steps", 1),
            ("evaluation_episodes", 1), ("rearrangements", 0), ("part_episodes", 1),
            ("goal_batch", 2), ("beside_batch", 2), ("seeds", 1), ("goal_seed", 0),
            ("max_steps", MAX_STEPS), ("robots", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise InputError(
                    name, where="experiment", got=getattr(self, name), expected=f"at least {least}"
                )
        if self.tasks and (not self.episodes or min(self.episodes) < 1):
            raise InputError(
                "episodes", where="experiment", got=self.episodes, expected="numbers from 1 on"
            )


SCALES = {
    "small": GoalsConfig(
        steps=600, goals=20, fine_tune_steps=200, beside_steps=400, evaluation_episodes=10,
        rearrangements=300,
    ),
    "medium": GoalsConfig(
        steps=8000, goals=100, fine_tune_steps=1000, beside_steps=3000, evaluation_episodes=50,
        rearrangements=30_000,
    ),
    "full": GoalsConfig(
        steps=60_000, goals=300, fine_tune_steps=5000, beside_steps=60_000,
        evaluation_episodes=100, rearrangements=60_000, seeds=3,
    ),
}  # fmt: skip
"""For data sets of the experiments of the same names of `mtopt benchmark paper`."""
