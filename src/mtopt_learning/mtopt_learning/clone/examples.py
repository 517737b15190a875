"""What a clone imitates: steps of a task's successes, or of the way to a later picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mtopt_learning.relabel.deciding_steps import GripperChanges
from mtopt_learning.relabel.hindsight import ALL_ALIKE, HindsightConfig
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler
from mtopt_learning.train.batches import Transitions, proprioception, to_device, transitions
from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.goal_batches import GoalBatch, GoalBatches
from mtopt_learning.train.picture_store import PictureStore
from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class Examples:
    """A batch of n actions to imitate.

    Attributes:
        pictures: Camera to (n, 3, h, w) uint8.
        state: (n, 7) proprioception.
        condition: (n,) int64 task, or the goal's index.
        goal: Camera to (n, 3, h, w) uint8 goal pictures; None for tasks.
        code: (n, 7) action codes.
        counts, missed: (n,) of `clone_loss`; None: all count, there are no near misses.
        steps: The steps of tasks; None for goals.
        first: (f, 3, h, w) uint8 of the map's camera, the first of the first f steps' episodes.
        to_goals: The steps to goals; None for tasks.
    """

    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    condition: torch.Tensor
    goal: dict[str, torch.Tensor] | None
    code: torch.Tensor
    counts: torch.Tensor | None = None
    missed: torch.Tensor | None = None
    steps: Transitions | None = None
    first: torch.Tensor | None = None
    to_goals: GoalBatch | None = None

    def to(self, device: torch.device) -> Examples:
        """The same on a device; pictures are where the store gave them."""
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        moved = {k: to_device(v, device) for k, v in tensors.items()}
        steps = None if self.steps is None else self.steps.to(device)
        return replace(self, **moved, steps=steps)


class TaskExamples:
    """Steps of successful episodes.

    Args:
        dataset: A `Dataset`.
        store: Its pictures.
        tasks: Of the cell.
        labels: (episodes, tasks) success; None takes the data set's best.
        sharing: Which tasks a success counts for.
        sampling: How batches are made up.
        batch: Steps of one.
        seed: Of the draws.
        map_camera: Whose picture has an affordance map; empty: none has.
    """

    def __init__(
        self,
        dataset,
        store: PictureStore,
        tasks: TaskList,
        labels: np.ndarray | None,
        sharing: str,
        sampling: SamplerConfig,
        batch: int,
        seed: int,
        map_camera: str,
    ):
        labels = dataset.labels("best") if labels is None else labels
        index = success_index(dataset, tasks, labels, sharing)
        steps = np.where(dataset.episode_reason == EndReason.FAULT, 0, dataset.episode_steps)
        self.sampler = StepSampler(index, steps, sampling)
        self._dataset, self._store, self._batch = dataset, store, batch
        self._map_camera = map_camera
        self._changes = GripperChanges.of(dataset)
        self._random = np.random.default_rng([seed, 11])
        self.counts = {
            name: (int(bad), int(good))
            for name, (bad, good) in zip(tasks.names, self.sampler.counts, strict=True)
        }

    def take(self, step: int) -> Examples:
        """The next batch."""
        draw = self.sampler.draw(self._batch, self._random)
        steps = transitions(self._dataset, draw, self._changes)
        begun = steps.first_row[: len(steps.row) // 2]
        first = self._store.take_one(self._map_camera, begun) if self._map_camera else None
        return Examples(
            self._store.take(steps.row), proprioception(self._dataset, steps.row),
            steps.task[:, 0], None, steps.action, steps=steps, first=first,
        )  # fmt: skip

    def close(self) -> None:
        """Nothing runs beside."""


class GoalExamples:
    """Steps of any episode, each with a later picture of it as its goal; there it terminates.

    Args:
        dataset: A `Dataset`; it needs no labels.
        store: Its pictures.
        condition: That of a goal, see `TrunkConfig`.
        batch: Steps of a batch, goals that are reached not counted.
        seed: Of the draws.
        device: Where the step computes.
        map_camera: As of `TaskExamples`.
        every_way: See `CloneConfig`.
    """

    counts: dict[str, tuple[int, int]] = {}

    def __init__(
        self,
        dataset,
        store: PictureStore,
        condition: int,
        batch: int,
        seed: int,
        device: torch.device,
        map_camera: str,
        every_way: bool = False,
    ):
        pairs = ALL_ALIKE if every_way else HindsightConfig(chained_share=0.0)
        goals = GoalConfig(batch=batch, pairs=pairs)
        self._condition, self._every_way = condition, every_way
        settings = TrainConfig(batch=0, goals=goals, seed=seed)
        self._batches = GoalBatches(dataset, store, settings, device, map_camera)

    def take(self, step: int) -> Examples:
        """The batch of a step."""
        batch = self._batches.take(step)
        if self._every_way:
            batch = replace(batch, direct=torch.ones_like(batch.direct))
        code, counts, missed = batch.to_clone()
        condition = torch.full((len(code),), self._condition, device=batch.state.device)
        return Examples(
            batch.pictures, batch.state, condition, batch.end, code, counts, missed,
            to_goals=batch,
        )  # fmt: skip

    def close(self) -> None:
        """Ends the thread that prepares."""
        self._batches.close()


def success_index(dataset, tasks: TaskList, labels: np.ndarray, sharing: str) -> np.ndarray:
    """(episodes, tasks) 1 where an episode is a success that counts for the task, else NaN."""
    index = np.asarray(sharing_index(dataset, tasks, labels, sharing), np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(index >= 0.5, np.float32(1), np.float32(np.nan))
