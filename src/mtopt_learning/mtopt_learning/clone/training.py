"""Trains a clone on the steps of successful episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.clone.network import STOP, CloneNetwork, command_class, default_clone
from mtopt_learning.qlearn.actions import CONTINUOUS
from mtopt_learning.qlearn.affordance import affordance_loss
from mtopt_learning.qlearn.distortion import DistortionConfig, draw_light, lit
from mtopt_learning.relabel.impersonation import sharing_index
from mtopt_learning.relabel.sampler import SamplerConfig, StepSampler
from mtopt_learning.train.batches import proprioception, to_device, transitions
from mtopt_learning.train.deciding_steps import gripper_steps
from mtopt_learning.train.devices import autocast, choose_device
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.self_calibration import calibrate_map
from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import TaskList

_HUBER = 0.2
"""Of the move's error, in units of the largest move: beyond it the loss is linear."""


@dataclass(frozen=True)
class CloneConfig:
    """How a clone is trained.

    Attributes:
        steps: Gradient steps.
        batch: States a step.
        learning_rate: Adam's.
        sharing: Which tasks a success counts for, as of the Q-function.
        balance: `rebalanced` over tasks, or `uniform` over successes.
        distortion: Random changes of light; places stay.
        device: `auto`, `cpu` or `cuda`.
        bf16: Compute in bfloat16 where the device has it.
        threads: Of torch; 0 leaves them as they are.
        seed: Of weights and draws.
    """

    steps: int = 4000
    batch: int = 128
    learning_rate: float = 8e-4
    sharing: str = "f_skill"
    balance: str = "rebalanced"
    distortion: DistortionConfig = DistortionConfig()
    device: str = "auto"
    bf16: bool = True
    threads: int = 0
    seed: int = 0


def success_index(dataset, tasks: TaskList, labels: np.ndarray, sharing: str) -> np.ndarray:
    """(episodes, tasks) 1 where an episode is a success that counts for the task, else NaN."""
    index = np.asarray(sharing_index(dataset, tasks, labels, sharing), np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(index >= 0.5, np.float32(1), np.float32(np.nan))


def clone_loss(output: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    """Huber loss of the move where there is one, plus cross-entropy of the command.

    Args:
        output: (n, 8) of a network with `classes`.
        code: (n, 7) recorded action codes.
    """
    command = command_class(code)
    moved = (command != STOP).float()
    each = F.huber_loss(
        output[:, :CONTINUOUS], code[:, :CONTINUOUS], reduction="none", delta=_HUBER
    )
    move = (each.mean(1) * moved).sum() / moved.sum().clamp_min(1)
    return move / _HUBER**2 + F.cross_entropy(output[:, CONTINUOUS:], command)


class CloneTrainer:
    """Weights, optimiser and draws of one run.

    Args:
        dataset: A `Dataset`.
        tasks: Of the cell.
        config: Settings.
        labels: (episodes, tasks) success; None takes the data set's best.
    """

    def __init__(
        self, dataset, tasks: TaskList, config: CloneConfig, labels: np.ndarray | None = None
    ):
        labels = dataset.labels("best") if labels is None else labels
        index = success_index(dataset, tasks, labels, config.sharing)
        steps = np.where(dataset.episode_reason == EndReason.FAULT, 0, dataset.episode_steps)
        sampling = SamplerConfig(balance=config.balance, deciding_share=0.0)
        self.sampler = StepSampler(index, steps, sampling)
        self.dataset, self.config, self.step = dataset, config, 0
        if config.threads:
            torch.set_num_threads(config.threads)
        self._device = choose_device(config.device)
        cameras = {name: tuple(size) for name, size in dataset.cameras.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = CloneNetwork(default_clone(len(tasks), cameras))
        self.network = network.to(self._device, memory_format=torch.channels_last)
        self._store = PictureStore(dataset.images, cameras, self._device)
        calibrate_map([network.trunk], dataset, self._store, config.seed)
        self._gripper_step = gripper_steps(dataset)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, fused=True
        )
        self._random = np.random.default_rng([config.seed, 11])
        self._noise = torch.Generator().manual_seed(config.seed + 11)

    def train(
        self,
        write: Callable[[dict], None] | None = None,
        progress: Callable[[int], None] | None = None,
        log_every: int = 100,
    ) -> None:
        """Takes all steps that are left; a record of the mean loss every `log_every` steps."""
        losses = []
        while self.step < self.config.steps:
            losses.append(self._gradient_step())
            self.step += 1
            if progress:
                progress(self.step)
            if write and (self.step % log_every == 0 or self.step == self.config.steps):
                write({"step": self.step, "loss": float(np.mean(losses))})
                losses = []

    def _gradient_step(self) -> float:
        config, device = self.config, self._device
        draw = self.sampler.draw(config.batch, self._random)
        batch = transitions(self.dataset, draw, self._gripper_step)
        task = F.one_hot(batch.task[:, 0], self.network.config.tasks).float()
        light = draw_light(len(task), config.distortion, self._noise).to(device)
        with autocast(device, config.bf16):
            output, scores = self.network.with_map(
                {c: lit(x, light) for c, x in self._store.take(batch.row).items()},
                to_device(proprioception(self.dataset, batch.row), device),
                to_device(task, device),
            )
        loss = clone_loss(output, to_device(batch.action, device))
        if scores is not None:
            task, place, counts = (
                to_device(x, device) for x in (batch.task, batch.acted_m, batch.acts_later[:, None])
            )
            loss = loss + affordance_loss(scores, task, place, counts)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
