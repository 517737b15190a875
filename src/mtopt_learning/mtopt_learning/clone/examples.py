"""What a clone imitates: steps of a task's successes, or of the way to a later picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mtopt_learning.relabel.hindsight import HindsightConfig
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler
from mtopt_learning.train.batches import proprioception, to_device, transitions
from mtopt_learning.train.config import GoalConfig, TrainConfig
from mtopt_learning.train.deciding_steps import next_gripper_row
from mtopt_learning.train.goal_batches import GoalBatches
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
        acted_m: (n, 2) x, y of the tool where the gripper acts; to a goal where it last closes.
        acted_azimuth: (n, 2) sine and cosine of its azimuth there.
        closes: (n,) float32, 1 where it closes there, else 0.
        acts: (n,) float32, 1 where that counts and is still to come, else 0.
        counts, missed: (n,) of `clone_loss`; None: all count, there are no near misses.
        shown_m: (n, 2) x, y of the tool where the goals show it; None for tasks.

    To goals, `acted_m`, `acted_azimuth`, `closes` and `acts` are of the first steps alone, the rest
    are states that are where their goals show them and near misses.
    """

    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    condition: torch.Tensor
    goal: dict[str, torch.Tensor] | None
    code: torch.Tensor
    acted_m: torch.Tensor
    acted_azimuth: torch.Tensor
    closes: torch.Tensor
    acts: torch.Tensor
    counts: torch.Tensor | None = None
    missed: torch.Tensor | None = None
    shown_m: torch.Tensor | None = None

    def to(self, device: torch.device) -> Examples:
        """The same on a device; pictures are where the store gave them."""
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return replace(self, **{k: to_device(v, device) for k, v in tensors.items()})


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
    ):
        labels = dataset.labels("best") if labels is None else labels
        index = success_index(dataset, tasks, labels, sharing)
        steps = np.where(dataset.episode_reason == EndReason.FAULT, 0, dataset.episode_steps)
        self.sampler = StepSampler(index, steps, sampling)
        self._dataset, self._store, self._batch = dataset, store, batch
        self._gripper_row = next_gripper_row(dataset)
        self._random = np.random.default_rng([seed, 11])
        self.counts = {
            name: (int(bad), int(good))
            for name, (bad, good) in zip(tasks.names, self.sampler.counts, strict=True)
        }

    def take(self, step: int) -> Examples:
        """The next batch."""
        draw = self.sampler.draw(self._batch, self._random)
        batch = transitions(self._dataset, draw, self._gripper_row)
        return Examples(
            self._store.take(batch.row), proprioception(self._dataset, batch.row),
            batch.task[:, 0], None, batch.action, batch.acted_m, batch.acted_azimuth,
            batch.closes, batch.decides,
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
    ):
        goals = GoalConfig(batch=batch, pairs=HindsightConfig(chained_share=0.0))
        self._condition = condition
        settings = TrainConfig(batch=0, goals=goals, seed=seed)
        self._batches = GoalBatches(dataset, store, settings, device)

    def take(self, step: int) -> Examples:
        """The batch of a step."""
        batch = self._batches.take(step)
        code, counts, missed = batch.to_clone()
        condition = torch.full((len(code),), self._condition, device=batch.state.device)
        return Examples(
            batch.pictures, batch.state, condition, batch.end, code, batch.closed_m,
            batch.closed_azimuth, batch.closes, batch.closes, counts, missed, batch.end_m,
        )  # fmt: skip

    def close(self) -> None:
        """Ends the thread that prepares."""
        self._batches.close()


def success_index(dataset, tasks: TaskList, labels: np.ndarray, sharing: str) -> np.ndarray:
    """(episodes, tasks) 1 where an episode is a success that counts for the task, else NaN."""
    index = np.asarray(sharing_index(dataset, tasks, labels, sharing), np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(index >= 0.5, np.float32(1), np.float32(np.nan))
