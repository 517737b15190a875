"""What a gradient step takes: a labelled batch with its pictures, on the device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mtopt_learning.qlearn.distortion import draw_offsets
from mtopt_learning.relabel.sampler import Draw, describe
from mtopt_learning.train.batches import Batch, proprioception, to_device
from mtopt_learning.train.bellman_updater import BellmanUpdater, Labelled
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.devices import autocast
from mtopt_learning.train.feed import Feed
from mtopt_learning.train.labelling import next_states, noise_of, targets
from mtopt_learning.train.learning_data import LearningData
from mtopt_learning.train.picture_store import PictureStore
from mtopt_learning.train.target_copies import TargetCopies
from mtopt_spec import seeds

_AHEAD_ON_CUDA = 2


@dataclass(frozen=True)
class StepInput:
    """What a gradient step takes.

    Attributes:
        batch: The steps, on the device.
        target: (n, k), on the device.
        pictures: Camera to (n + m, 3, h, w) uint8 of the states, then of the last states.
        state: (n + m, 7) proprioception.
        figures: For the metrics.
    """

    batch: Batch
    target: torch.Tensor
    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    figures: dict[str, torch.Tensor | float]


@dataclass(frozen=True)
class _Ready:
    """A batch whose pictures are gathered; labelled already by an updater, or still to be."""

    draw: Draw
    batch: Batch
    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    following: tuple | None = None
    labelled: Labelled | None = None


class LabelledBatches:
    """Labels inline or takes what an updater process labelled, by the settings.

    Args:
        data: What is learned from.
        store: Its pictures.
        copies: The target copies, which the trainer moves.
        config: Settings.
        device: Where the step computes.
    """

    def __init__(
        self,
        data: LearningData,
        store: PictureStore,
        copies: TargetCopies,
        config: TrainConfig,
        device: torch.device,
    ):
        self._data, self._store, self._copies = data, store, copies
        self._config, self._device = config, device
        self._updater: BellmanUpdater | None = None
        self._stale = 0
        self._last: Draw | None = None
        on_cuda = device.type == "cuda"
        prepare = self._drawn if config.updater.kind == "inline" else self._taken
        self._feed: Feed[_Ready] = Feed(prepare, _AHEAD_ON_CUDA if on_cuda else 0)

    @property
    def updater(self) -> BellmanUpdater | None:
        """The updater process, once a step was taken with it."""
        return self._updater

    def take(self, step: int) -> StepInput:
        """The labelled batch of gradient step `step`, 0 for the first."""
        if self._config.updater.kind == "inline":
            ready = self._feed.take(step)
            target, value = self._targets(ready, step)
            staleness = 0
        else:
            ready, staleness = self._fresh(step)
            target = to_device(ready.labelled.target, self._device)
            value = ready.labelled.value
        self._last = ready.draw
        return StepInput(
            ready.batch, target, ready.pictures, ready.state,
            {"value": value, "batch_success": success_share(ready.draw), "staleness": staleness},
        )  # fmt: skip

    def weights_moved(self, step: int) -> None:
        """Tells of the weights after `step` gradient steps."""
        if self._updater is not None and step % self._config.updater.publish_steps == 0:
            self._updater.publish(self._copies.networks, step)

    def about(self, names: tuple[str, ...]) -> dict:
        """For the metrics: what the last batch held, and how many were refused as too old."""
        about = {"batch": describe(self._last, names)}
        if self._updater is not None:
            about["stale_batches"] = self._stale
        return about

    def close(self) -> None:
        """Ends the updater and the thread that prepares."""
        if self._updater is not None:
            self._updater.close()
            self._updater = None
        self._feed.close()

    def _targets(self, ready: _Ready, step: int):
        config = self._config
        with autocast(self._device, config.bf16):
            return targets(
                ready.batch, ready.following, self._copies.networks, config,
                noise_of(config, "cem", step),
            )  # fmt: skip

    def _fresh(self, step: int) -> tuple[_Ready, int]:
        """The next batch that is not too old, and its age in gradient steps."""
        if self._updater is None:
            self._updater = BellmanUpdater(self._data, self._copies.networks, self._config, step)
            self._taken_so_far = 0
        while True:
            ready = self._feed.take(self._taken_so_far)
            self._taken_so_far += 1
            staleness = step - ready.labelled.weights_step
            if staleness <= self._config.updater.max_staleness_steps:
                return ready, staleness
            self._stale += 1

    def _drawn(self, step: int) -> _Ready:
        """Draws the batch of a step, with the states after it."""
        draw, batch = self._data.draw(step, self._config)
        following = next_states(self._data.dataset, self._store, batch, self._config, self._device)
        return _Ready(draw, batch.to(self._device), *self._seen(batch, step), following)

    def _taken(self, number: int) -> _Ready:
        """Takes a batch that the updater labelled."""
        labelled = self._updater.take()
        batch = labelled.batch
        return _Ready(
            labelled.draw, batch.to(self._device), *self._seen(batch, number), labelled=labelled
        )

    def _seen(self, batch: Batch, number: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Pictures, each cut out at a random place, and proprioception."""
        rows = np.concatenate([batch.row, batch.end_row])
        random = seeds.generator(self._config.seed, "place", number)
        offsets = {
            camera: draw_offsets(
                len(rows), self._store.picture_px(camera), part,
                self._config.distortion.shift_px, random,
            )
            for camera, part in self._store.input_px.items()
        }  # fmt: skip
        pictures = self._store.take(rows, offsets)
        return pictures, to_device(proprioception(self._data.dataset, rows), self._device)


def success_share(draw: Draw) -> float:
    """Share of successes in a batch, by weight."""
    return float((draw.success * draw.weight).sum() / draw.weight.sum())
