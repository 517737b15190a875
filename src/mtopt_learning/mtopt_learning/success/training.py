"""Trains the success detector on labelled last states of a data set, anew or from its weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.success.budget import TRAIN, VALIDATION, LabelBudget, choose_labels
from mtopt_learning.success.calibration import Calibration, calibrate_all, cross_calibrated
from mtopt_learning.success.inputs import inputs, look
from mtopt_learning.success.metrics import measure
from mtopt_learning.success.network import DetectorNetwork, default_detector
from mtopt_learning.train.devices import autocast
from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class SuccessTrainConfig:
    """How the detector is trained.

    Attributes:
        steps: Gradient steps.
        batch: States a step.
        learning_rate: Adam's at the start; it falls to a tenth along a cosine.
        weight_decay: AdamW's.
        augment: Spread of random gain, each colour of each picture.
        rare_share: Share of a batch drawn so that every task's successes come equally often.
        newest_share: Share of a batch from labels that the detector it starts from had not.
        labels_per_task, validation_share, pair_share: See `LabelBudget`.
        false_positive_rate: That each task's threshold holds to; see `calibrate`.
        first_image: Whether the network sees an episode's first pictures, too. It can then judge
            recorded episodes only.
        bf16: Compute in bfloat16 where the processor has it.
        threads: Of torch; 0 leaves them as they are.
        seed: Of weights and draws.

    Raises:
        InputError: A share that is none, or a rate that no threshold can hold to.
    """

    steps: int = 400
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    augment: float = 0.12
    rare_share: float = 0.5
    newest_share: float = 0.4
    labels_per_task: int = 5000
    validation_share: float = 0.2
    pair_share: float = 0.5
    false_positive_rate: float = 0.02
    first_image: bool = False
    bf16: bool = True
    threads: int = 0
    seed: int = 0

    def __post_init__(self):
        for name in ("rare_share", "newest_share", "validation_share", "pair_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise self._refused(name, "0 to 1")
        if not 0 < self.false_positive_rate < 1:
            raise self._refused("false_positive_rate", "above 0 and below 1")

    def _refused(self, name: str, expected: str) -> InputError:
        return InputError(
            name, where="success detector's settings", got=getattr(self, name), expected=expected
        )


@dataclass(frozen=True)
class TrainedDetector:
    """A detector and how well it judges episodes that it was not trained on.

    Attributes:
        network: Its weights.
        calibrations: One a task.
        metrics: Task to `judge_metrics` on the validation labels, `cross_calibrated`.
        used: (episodes, tasks) int8 table of the labels it was made with.
    """

    network: DetectorNetwork
    calibrations: tuple[Calibration, ...]
    metrics: dict
    used: np.ndarray | None = None


@dataclass(frozen=True)
class Start:
    """Where training goes on.

    Attributes:
        network: Weights; they are copied.
        used: (episodes, tasks) table of the labels that they were trained on.
    """

    network: DetectorNetwork
    used: np.ndarray


def validation_mask(episodes: int, share: float, seed: int) -> np.ndarray:
    """(episodes,) bool, whole episodes; as the data grows an episode stays on its side."""
    draws = np.random.default_rng([seed, 7]).random(episodes)
    return draws < share


def train_detector(
    dataset,
    labels: np.ndarray,
    config: SuccessTrainConfig,
    write: Callable[[dict], None] | None = None,
    progress: Callable[[int], None] | None = None,
    start: Start | None = None,
    offered: np.ndarray | None = None,
) -> TrainedDetector:
    """Trains on part of the episodes and calibrates and measures on the rest.

    Args:
        dataset: A `Dataset`.
        labels: (episodes, tasks) 0 to 1, NaN unknown; by people, or by the simulator for them.
        config: Settings.
        write: Gets a record every 50 steps.
        progress: Told the number of steps done.
        start: Weights to go on from, with the labels they were trained on, which are used again.
        offered: (episodes, tasks) bool, the labels that may be added; None offers all.

    Raises:
        InputError: Too few labelled episodes.
    """
    held = validation_mask(len(labels), config.validation_share, config.seed)
    old = start.used if start else np.zeros(labels.shape, np.int8)
    known = np.where((old > 0) | (True if offered is None else offered), labels, np.nan)
    budget = LabelBudget(config.labels_per_task, config.validation_share, config.pair_share)
    random = np.random.default_rng([config.seed, 9])
    used = choose_labels(dataset, known, held, budget, random, old)
    train = np.flatnonzero((used == TRAIN).any(1))
    valid = np.flatnonzero((used == VALIDATION).any(1))
    if len(train) < 10 or len(valid) < 2:
        raise InputError(
            "labelled episodes", where="data set", got=len(train) + len(valid),
            expected="at least 20", todo="collect more, or label more",
        )  # fmt: skip
    if config.threads:
        torch.set_num_threads(config.threads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if start is None:
            cameras = {camera: tuple(size) for camera, size in dataset.cameras.items()}
            network = DetectorNetwork(
                default_detector(labels.shape[1], cameras, config.first_image)
            )
        else:
            network = DetectorNetwork(start.network.config)
            network.load_state_dict(start.network.state_dict())
        network = network.to(memory_format=torch.channels_last)
        mine = np.where(used == TRAIN, known, np.nan)
        newest = train[((used == TRAIN) & (old == 0))[train].any(1)] if start else train[:0]
        _fit(network, dataset, mine, train, newest, config, write, progress)
    network.eval().requires_grad_(False)
    logits = look(network, dataset, valid)[0]
    told = np.where(used == VALIDATION, known, np.nan)[valid]
    rate = config.false_positive_rate
    calibrations = calibrate_all(logits, told, rate)
    return TrainedDetector(
        network,
        calibrations,
        measure(*cross_calibrated(logits, told, rate), told, calibrations, dataset.tasks),
        used,
    )


def _fit(network, dataset, labels, train, newest, config, write, progress) -> None:
    random = np.random.default_rng([config.seed, 8])
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, config.steps, config.learning_rate / 10
    )
    cpu = torch.device("cpu")
    with np.errstate(invalid="ignore"):
        successes = [train[labels[train, t] >= 0.5] for t in range(labels.shape[1])]
    successes = [pool for pool in successes if len(pool)]
    begun, losses = time.monotonic(), []
    network.train()
    for step in range(1, config.steps + 1):
        episode = train[random.integers(len(train), size=config.batch)]
        if len(newest):
            some = random.random(config.batch) < config.newest_share
            episode[some] = newest[random.integers(len(newest), size=some.sum())]
        if successes:  # rare tasks' successes would hardly be seen otherwise
            rare = random.random(config.batch) < config.rare_share
            for i in np.flatnonzero(rare):
                pool = successes[random.integers(len(successes))]
                episode[i] = pool[random.integers(len(pool))]
        label = torch.from_numpy(labels[episode].astype(np.float32))
        noise = torch.randn(len(episode), 4, 1, 1)
        gain = 1 + config.augment * (noise[:, :1] + 0.5 * noise[:, 1:])
        images, state, first = inputs(network, dataset, episode)
        with autocast(cpu, config.bf16):
            logits = network(images, state, gain, first)
        seen = torch.isfinite(label)
        target = torch.where(seen, label, 0.0)
        each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        loss = (each * seen).sum() / seen.sum().clamp_min(1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if progress:
            progress(step)
        if write and (step % 50 == 0 or step == config.steps):
            seconds = round(time.monotonic() - begun, 2)
            write({"step": step, "seconds": seconds, "loss": float(np.mean(losses))})
            losses = []
