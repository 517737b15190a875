"""What of a data set is learned from: the labels that count, the held-out rest, the draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtopt_learning.relabel.deciding_steps import GripperChanges
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import Draw, StepSampler
from mtopt_learning.train.batches import Batch, transitions, with_judged
from mtopt_learning.train.config import TrainConfig
from mtopt_spec import seeds
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class LearningData:
    """A data set as training sees it.

    Attributes:
        dataset: A `Dataset`.
        index: (episodes, tasks) success, NaN where an episode is no data of a task.
        held: Episodes that are kept for diagnosis.
        sampler: Draws from the others.
        changes: Where the gripper changes.
    """

    dataset: object
    index: np.ndarray
    held: np.ndarray
    sampler: StepSampler
    changes: GripperChanges

    @classmethod
    def of(
        cls,
        dataset,
        labels: np.ndarray | None,
        tasks: TaskList,
        cameras: dict[str, tuple[int, int]],
        config: TrainConfig,
    ) -> LearningData:
        """Checks that the data set fits and prepares the draws.

        Args:
            dataset: A `Dataset`.
            labels: (episodes, tasks) success; None takes the data set's best.
            tasks: The cell's tasks, which must be the data set's.
            cameras: Camera name to (height, width), px, which the data set must have.
            config: Settings.

        Raises:
            InputError: Tasks or pictures differ, or nothing in it is labelled.
        """
        if tuple(dataset.tasks) != tasks.names:
            raise InputError(
                "tasks", where="data set", got=list(dataset.tasks), expected=list(tasks.names),
                todo="name the task file that it was built with (--tasks-file), or build it anew",
            )  # fmt: skip
        check_cameras(dataset, cameras)
        labels = dataset.labels("best") if labels is None else labels
        index = sharing_index(dataset, tasks, labels, config.sharing)
        wanted = np.array([not config.tasks or name in config.tasks for name in tasks.names])
        every = config.holdout_every
        held = np.arange(len(labels)) % every == every - 1 if every else np.zeros(len(labels), bool)
        void = held | (dataset.episode_reason == EndReason.FAULT)
        steps = np.where(void, 0, dataset.episode_steps)
        changes = GripperChanges.of(dataset)
        sampler = StepSampler(
            index, steps, config.sampler, wanted.astype(float), changes.first_step,
            dataset.episode_task,
        )  # fmt: skip
        return cls(dataset, index, np.flatnonzero(held), sampler, changes)

    def draw(self, step: int, config: TrainConfig) -> tuple[Draw, Batch]:
        """The batch of a step: a function of the seed and the step alone."""
        random = seeds.generator(config.seed, "batch", step)
        draw = self.sampler.draw(config.batch, random)
        ends = self.sampler.draw(max(config.terminate_states, 1), random)
        undecided = self.sampler.draw(config.undecided_states, random)
        until = np.maximum(self.changes.first_step[undecided.episode], 0)
        at = (random.random(len(until)) * (until + 1)).astype(np.int64)
        steps = transitions(self.dataset, draw, self.changes)
        return draw, with_judged(self.dataset, steps, ends, undecided, at)


def check_cameras(dataset, cameras: dict[str, tuple[int, int]]) -> None:
    """Refuses a data set whose pictures of these cameras have other sizes (`InputError`)."""
    sizes = {camera: tuple(size) for camera, size in dataset.cameras.items()}
    for camera, size in cameras.items():
        if sizes.get(camera) != tuple(size):
            raise InputError(
                f"pictures of {camera}", where="data set", got=sizes.get(camera), expected=size,
                todo="build it with such pictures (--resize), or start a new run",
            )  # fmt: skip
