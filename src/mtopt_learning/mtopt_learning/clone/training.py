"""Trains a clone on the steps of successful episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.clone.examples import GoalExamples, TaskExamples
from mtopt_learning.clone.network import CloneNetwork, default_clone
from mtopt_learning.qlearn.behaviour import clone_loss
from mtopt_learning.qlearn.distortion import (
    DistortionConfig,
    draw_light,
    goal_in_light,
    lit,
)
from mtopt_learning.relabel.sampler import SamplerConfig
from mtopt_learning.train.devices import autocast, choose_device
from mtopt_learning.train.goal_objective import goal_map_loss, look_at_first
from mtopt_learning.train.learning_rate import decayed
from mtopt_learning.train.objective import map_loss
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.self_calibration import calibrate_map
from mtopt_spec.task import TaskList


@dataclass(frozen=True)
class CloneConfig:
    """How a clone is trained.

    Attributes:
        steps: Gradient steps.
        batch: States a step.
        learning_rate: Adam's at the start.
        decay_steps: Steps in which it falls to a tenth, where it stays; 0: it never falls.
        sharing: Which tasks a success counts for, as of the Q-function.
        balance: `rebalanced` over tasks, or `uniform` over successes.
        goals: Instead of tasks, clone the way to any later picture of the same episode.
        every_way: Of goals: every sub-sequence counts and is as likely, as in arXiv 1906.05838 and
            1912.06088; else direct ways alone, most of them to the episode's end. Either way it
            learns to terminate where it is there, and not to at near misses, which is not theirs.
        distortion: Random changes of light, and of where goals are seen from; places stay.
        device: `auto`, `cpu` or `cuda`.
        bf16: Compute in bfloat16 where the device has it.
        threads: Of torch; 0 leaves them as they are.
        seed: Of weights and draws.
    """

    steps: int = 4000
    batch: int = 128
    learning_rate: float = 8e-4
    decay_steps: int = 0
    sharing: str = "f_skill"
    balance: str = "rebalanced"
    goals: bool = False
    every_way: bool = False
    distortion: DistortionConfig = DistortionConfig()
    device: str = "auto"
    bf16: bool = True
    threads: int = 0
    seed: int = 0


class CloneTrainer:
    """Weights, optimiser and examples of one run.

    Args:
        dataset: A `Dataset`.
        tasks: Of the cell.
        config: Settings.
        labels: (episodes, tasks) success; None takes the data set's best. Goals need none.

    Attributes:
        counts: Task to failed and successful episodes that are cloned; empty for goals.
    """

    def __init__(
        self, dataset, tasks: TaskList, config: CloneConfig, labels: np.ndarray | None = None
    ):
        self.config, self.step = config, 0
        if config.threads:
            torch.set_num_threads(config.threads)
        self._device = choose_device(config.device)
        cameras = {name: tuple(size) for name, size in dataset.cameras.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            goal_join = "input" if config.goals else ""
            network = CloneNetwork(default_clone(len(tasks), cameras, goal_join=goal_join))
        self.network = network.to(self._device, memory_format=torch.channels_last)
        store = PictureStore(dataset.images, cameras, self._device)
        calibrate_map([network.trunk], dataset, store, config.seed)
        if config.goals:
            self._examples = GoalExamples(
                dataset, store, network.config.tasks, config.batch, config.seed, self._device,
                network.config.map_camera, config.every_way,
            )  # fmt: skip
        else:
            sampling = SamplerConfig(balance=config.balance, deciding_share=0.0)
            self._examples = TaskExamples(
                dataset, store, tasks, labels, config.sharing, sampling, config.batch,
                config.seed, network.config.map_camera,
            )  # fmt: skip
        self.counts = self._examples.counts
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, fused=True
        )
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
        self._examples.close()

    def _gradient_step(self) -> float:
        config, device, network = self.config, self._device, self.network
        batch = self._examples.take(self.step).to(device)
        count = len(batch.condition)
        task = F.one_hot(batch.condition, network.config.conditions).float()
        light = draw_light(count, config.distortion, self._noise).to(device)
        with autocast(device, config.bf16):
            goal = batch.goal
            if goal is not None:
                cameras = network.config.moving_cameras
                goal = goal_in_light(goal, cameras, light, config.distortion, self._noise)
                goal = network.trunk.prepare_goal(goal)
            pictures = {c: lit(x, light) for c, x in batch.pictures.items()}
            output, scores = network.with_map(pictures, batch.state, task, goal)
            loss = clone_loss(output, batch.code, batch.counts, batch.missed)
            if scores is not None and batch.to_goals is not None:
                first = look_at_first(network.trunk, batch.to_goals, light, goal)
                which, shown_m = network.config.tasks, batch.to_goals.end_m
                loss = loss + goal_map_loss(scores, first, batch.to_goals, which, shown_m)
            elif scores is not None:
                first = network.trunk.look(lit(batch.first, light.first(len(batch.first))))
                loss = loss + map_loss(scores, first, batch.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = decayed(config.learning_rate, self.step, config.decay_steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
