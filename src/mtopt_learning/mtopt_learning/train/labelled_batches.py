"""What a gradient step takes: a labelled batch with its pictures, on the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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

_AHEAD = 2
"""Batches that are drawn and gathered while a step computes."""


@dataclass(frozen=True)
class StepInput:
    """What a gradient step takes.

    Attributes:
        batch: The steps, on the device.
        target: (n, k), on the device.
        pictures: Camera to (n + m, 3, h, w) uint8 of the states, then of the last states.
        state: (n + m, 7) proprioception.
        first: (f, 3, h, w) uint8 of the map's camera, the first of the first f steps' episodes;
            None for a network without a map.
        figures: For the metrics.
    """

    batch: Batch
    target: torch.Tensor
    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    first: torch.Tensor | None
    figures: dict[str, torch.Tensor | float]


@dataclass(frozen=True)
class ReadyBatch:
    """A batch whose pictures are gathered; labelled already by an updater, or still to be.

    Attributes:
        draw: What was drawn.
        batch, pictures, state, first: As of `StepInput`.
        following: Pictures and proprioception of the states after, where targets need them.
        labelled: What an updater made, or None.
    """

    draw: Draw
    batch: Batch
    pictures: dict[str, torch.Tensor]
    state: torch.Tensor
    first: torch.Tensor | None = None
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
        map_camera: Whose picture has an affordance map that learns; empty: none has.
        phase: Makes what times a part of the step by its name.
    """

    def __init__(
        self,
        data: LearningData,
        store: PictureStore,
        copies: TargetCopies,
        config: TrainConfig,
        device: torch.device,
        map_camera: str,
        phase: Callable[[str], AbstractContextManager] = nullcontext,
    ):
        self._phase = phase
        self._data, self._store, self._copies = data, store, copies
        self._config, self._device = config, device
        self._map_camera = map_camera
        self._updater: BellmanUpdater | None = None
        self._stale = 0
        self._last: Draw | None = None
        prepare = self._drawn if config.updater.kind == "inline" else self._taken
        self._feed: Feed[ReadyBatch] = Feed(prepare, _AHEAD)

    @property
    def updater(self) -> BellmanUpdater | None:
        """The updater process, once a step was taken with it."""
        return self._updater

    def ready(self, step: int) -> ReadyBatch:
        """The batch of gradient step `step`, 0 for the first, with its pictures."""
        with self._phase("data"):
            inline = self._config.updater.kind == "inline"
            ready = self._feed.take(step) if inline else self._fresh(step)
        self._last = ready.draw
        return ready

    def labelled(self, ready: ReadyBatch, step: int) -> StepInput:
        """The batch with its targets, made here unless an updater made them."""
        done = ready.labelled
        if done is None:
            with self._phase("targets"):
                target, value = self._targets(ready, step)
            staleness = 0
        else:
            target, value = to_device(done.target, self._device), done.value
            staleness = step - done.weights_step
        return StepInput(
            ready.batch, target, ready.pictures, ready.state, ready.first,
            {
                "value": value, "batch_success": success_share(ready.draw),
                "staleness": staleness,
            },
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

    def _targets(self, ready: ReadyBatch, step: int):
        config = self._config
        with autocast(self._device, config.bf16):
            return targets(
                ready.batch, ready.following, self._copies.networks, config,
                noise_of(config, "cem", step),
            )  # fmt: skip

    def _fresh(self, step: int) -> ReadyBatch:
        """The next batch that was not labelled with too old weights."""
        if self._updater is None:
            self._updater = BellmanUpdater(self._data, self._copies.networks, self._config, step)
            self._taken_so_far = 0
        while True:
            ready = self._feed.take(self._taken_so_far)
            self._taken_so_far += 1
            staleness = step - ready.labelled.weights_step
            if staleness <= self._config.updater.max_staleness_steps:
                return ready
            self._stale += 1

    def _drawn(self, step: int) -> ReadyBatch:
        """Draws the batch of a step, with the states after it."""
        with self._phase("sample"):
            draw, batch = self._data.draw(step, self._config)
        with self._phase("gather"):
            following = next_states(
                self._data.dataset, self._store, batch, self._config, self._device
            )
            seen = self._seen(batch, step)
        return ReadyBatch(draw, batch.to(self._device), *seen, following)

    def _taken(self, number: int) -> ReadyBatch:
        """Takes a batch that the updater labelled."""
        labelled = self._updater.take()
        batch = labelled.batch
        return ReadyBatch(
            labelled.draw, batch.to(self._device), *self._seen(batch, number), labelled=labelled
        )

    def _seen(
        self, batch: Batch, number: int
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor | None]:
        """Pictures, each cut out at a random place, proprioception, and first pictures."""
        rows = np.concatenate([batch.row, batch.judged_row])
        random = seeds.generator(self._config.seed, "place", number)
        offsets = {
            camera: draw_offsets(
                len(rows), self._store.picture_px(camera), part,
                self._config.distortion.shift_px, random,
            )
            for camera, part in self._store.input_px.items()
        }  # fmt: skip
        pictures, first = self._store.take(rows, offsets), None
        if camera := self._map_camera:
            begun = batch.first_row[: self._config.first_pictures]
            first = self._store.take_one(camera, begun, offsets[camera][: len(begun)])
        return pictures, to_device(proprioception(self._data.dataset, rows), self._device), first


def success_share(draw: Draw) -> float:
    """Share of successes in a batch, by weight."""
    return float((draw.success * draw.weight).sum() / draw.weight.sum())
