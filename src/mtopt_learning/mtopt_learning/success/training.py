"""Trains the success detector on the labelled last states of a data set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.success.calibration import Calibration, calibrate, confusion
from mtopt_learning.success.network import DetectorNetwork, default_detector
from mtopt_learning.train.batches import pictures, proprioception
from mtopt_learning.train.trainer import processor_has_bf16
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
        validation_share: Share of the episodes kept out of training.
        bf16: Compute in bfloat16 where the processor has it.
        threads: Of torch; 0 leaves them as they are.
        seed: Of weights and draws.
    """

    steps: int = 400
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    augment: float = 0.12
    rare_share: float = 0.5
    validation_share: float = 0.2
    bf16: bool = True
    threads: int = 0
    seed: int = 0


@dataclass(frozen=True)
class TrainedDetector:
    """A detector and how well it judges episodes that it was not trained on."""

    network: DetectorNetwork
    calibrations: tuple[Calibration, ...]
    metrics: dict


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
) -> TrainedDetector:
    """Trains on part of the episodes and calibrates and measures on the rest.

    Args:
        dataset: A `Dataset`.
        labels: (episodes, tasks) 0 to 1, NaN unknown; by people, or by the simulator for them.
        config: Settings.
        write: Gets a record every 50 steps.
        progress: Told the number of steps done.

    Raises:
        InputError: Too few labelled episodes.
    """
    known = np.isfinite(labels)
    held = validation_mask(len(labels), config.validation_share, config.seed)
    usable = np.flatnonzero(known.any(1))
    train, valid = usable[~held[usable]], usable[held[usable]]
    if len(train) < 10 or len(valid) < 2:
        raise InputError(
            "labelled episodes", where="data set", got=len(usable), expected="at least 20",
            todo="collect more, or label more",
        )  # fmt: skip
    if config.threads:
        torch.set_num_threads(config.threads)
    cameras = {camera: tuple(size) for camera, size in dataset.cameras.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = DetectorNetwork(default_detector(labels.shape[1], cameras))
        network = network.to(memory_format=torch.channels_last)
        _fit(network, dataset, labels, train, config, write, progress)
    network.eval().requires_grad_(False)
    logits = predict(network, dataset, dataset.last_row(valid))
    calibrations = tuple(
        calibrate(logits[known[valid, t], t], labels[valid, t][known[valid, t]] >= 0.5)
        for t in range(labels.shape[1])
    )
    return TrainedDetector(
        network, calibrations, evaluate(logits, labels[valid], calibrations, dataset.tasks)
    )


def _fit(network, dataset, labels, train, config, write, progress) -> None:
    random = np.random.default_rng([config.seed, 8])
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, config.steps, config.learning_rate / 10
    )
    low = config.bf16 and processor_has_bf16()
    with np.errstate(invalid="ignore"):
        successes = [train[labels[train, t] >= 0.5] for t in range(labels.shape[1])]
    successes = [pool for pool in successes if len(pool)]
    begun, losses = time.monotonic(), []
    network.train()
    for step in range(1, config.steps + 1):
        episode = train[random.integers(len(train), size=config.batch)]
        if successes:  # rare tasks' successes would hardly be seen otherwise
            rare = random.random(config.batch) < config.rare_share
            for i in np.flatnonzero(rare):
                pool = successes[random.integers(len(successes))]
                episode[i] = pool[random.integers(len(pool))]
        rows = dataset.last_row(episode)
        label = torch.from_numpy(labels[episode].astype(np.float32))
        noise = torch.randn(len(rows), 4, 1, 1)
        gain = 1 + config.augment * (noise[:, :1] + 0.5 * noise[:, 1:])
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            logits = network(
                pictures(dataset, network.towers, rows), proprioception(dataset, rows), gain
            )
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


@torch.inference_mode()
def predict(network: DetectorNetwork, dataset, rows: np.ndarray, chunk: int = 256) -> np.ndarray:
    """(n, tasks) float32 logits of the states at `rows`."""
    parts = [
        network(
            pictures(dataset, network.towers, rows[i : i + chunk]),
            proprioception(dataset, rows[i : i + chunk]),
        ).numpy()
        for i in range(0, len(rows), chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, network.config.tasks), np.float32)


def evaluate(
    logits: np.ndarray, labels: np.ndarray, calibrations: tuple[Calibration, ...], tasks
) -> dict:
    """Task to counts, precision, recall, accuracy and calibration, on judged episodes only."""
    out = {}
    for t, name in enumerate(tasks):
        known = np.isfinite(labels[:, t])
        label = labels[known, t] >= 0.5
        score = calibrations[t].score(logits[known, t])
        out[name] = {
            **confusion(score >= 0.5, label),
            "threshold": calibrations[t].threshold,
            "temperature": calibrations[t].temperature,
        }
    return out
