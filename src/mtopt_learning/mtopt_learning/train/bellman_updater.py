"""The Bellman updater: a process that labels batches beside the trainer, from a bounded queue.

QT-Opt (arXiv 1806.10293, section 4.3) keeps many such processes beside the trainers. Here one
draws the same batches as the trainer would, labels them with the newest weights that it was
given, and waits where the queue is full. Each labelled batch tells how old those weights are, so
that the trainer can refuse what is too old.
"""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait

import numpy as np
import torch

from mtopt_learning.qlearn.networks import AnyNetworkConfig, build_network
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.relabel.sampler import Draw
from mtopt_learning.train.batches import Batch
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.devices import autocast, choose_device
from mtopt_learning.train.labelling import next_states, noise_of, targets
from mtopt_learning.train.learning_data import LearningData
from mtopt_learning.train.picture_store import PictureStore

_POLL_S = 0.2


@dataclass(frozen=True)
class Labelled:
    """A batch with its targets.

    Attributes:
        draw: What was drawn.
        batch: The same as tensors on the host.
        target: (n, k) float32.
        value: Mean V(s').
        weights_step: Gradient step of the weights that labelled it.
    """

    draw: Draw
    batch: Batch
    target: torch.Tensor
    value: float
    weights_step: int


class SharedWeights:
    """The weights of the target copies in memory that both processes see."""

    def __init__(self, context, copies: list[TwoStageQ]):
        self._size = sum(p.numel() for p in copies[0].parameters())
        self._memory = [context.RawArray(ctypes.c_float, self._size) for _ in copies]
        self._step = context.RawValue(ctypes.c_longlong, -1)
        self._lock = context.Lock()

    def publish(self, copies: list[TwoStageQ], step: int) -> None:
        """Puts the weights of gradient step `step` into the memory."""
        flat = [torch.cat([p.detach().flatten() for p in c.parameters()]).cpu() for c in copies]
        with self._lock:
            for memory, weights in zip(self._memory, flat, strict=True):
                np.frombuffer(memory, np.float32)[:] = weights.numpy()
            self._step.value = step

    def load(self, copies: list[TwoStageQ], have_step: int) -> int:
        """Brings copies up to date; gives the gradient step of their weights."""
        if self._step.value == have_step:
            return have_step
        with self._lock:
            flat = [torch.from_numpy(np.frombuffer(m, np.float32).copy()) for m in self._memory]
            step = self._step.value
        for copy, weights in zip(copies, flat, strict=True):
            parts = weights.split([p.numel() for p in copy.parameters()])
            with torch.no_grad():
                for parameter, part in zip(copy.parameters(), parts, strict=True):
                    parameter.copy_(part.view(parameter.shape))
        return step


class BellmanUpdater:
    """The trainer's end of the updater.

    Args:
        data: What is learned from; it must be picklable.
        copies: The target copies as they are now.
        config: The run's settings.
        step: Gradient steps taken so far.
    """

    def __init__(self, data: LearningData, copies: list[TwoStageQ], config: TrainConfig, step: int):
        context = multiprocessing.get_context("spawn")
        self._weights = SharedWeights(context, copies)
        self._weights.publish(copies, step)
        self._queue = context.Queue(config.updater.queue_batches)
        self._stop = context.Event()
        self._process = context.Process(
            target=_run,
            args=(data, copies[0].config, len(copies), config, step, self._weights,
                  self._queue, self._stop),
            daemon=True,
            name="bellman_updater",
        )  # fmt: skip
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def publish(self, copies: list[TwoStageQ], step: int) -> None:
        """Gives it new weights."""
        self._weights.publish(copies, step)

    def take(self) -> Labelled:
        """The next labelled batch; waits for it.

        Raises:
            RuntimeError: The updater failed or died.
        """
        while True:
            alive = self._process.is_alive()
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                if alive:
                    continue
                raise RuntimeError(
                    f"the Bellman updater died (exit code {self._process.exitcode})"
                ) from None
            if isinstance(item, str):
                raise RuntimeError(f"the Bellman updater failed:\n{item}")
            return _unpacked(item)

    def close(self) -> None:
        """Ends the process and waits for it."""
        self._stop.set()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._queue.close()
        self._queue.cancel_join_thread()


def _run(data, network: AnyNetworkConfig, count, config, first, weights, labelled, stop) -> None:
    """The process: labels batch after batch until it is told to stop or the trainer is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer hears it and closes
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()
    try:
        for item in _label(data, network, count, config, first, weights, stop):
            if not _put(labelled, item, stop):
                break
        labelled.cancel_join_thread()  # nobody takes what waits
    except Exception:
        _put(labelled, traceback.format_exc(), stop)  # and the process ends once it is taken


def _label(data, network, count, config: TrainConfig, first, weights, stop):
    torch.set_num_threads(config.updater.threads)
    device = choose_device(config.device)
    copies = [build_network(network).requires_grad_(False) for _ in range(count)]
    copies = [c.to(device, memory_format=torch.channels_last) for c in copies]
    store = PictureStore(data.dataset.images, copies[0].input_px, device)
    have = -2
    for step in itertools.count(first):
        if stop.is_set():
            return
        have = weights.load(copies, have)
        draw, batch = data.draw(step, config)
        with autocast(device, config.bf16):
            seen = next_states(data.dataset, store, batch, config, device)
            target, value = targets(
                batch.to(device), seen, copies, config, noise_of(config, "cem", step)
            )
        yield _packed(Labelled(draw, batch, target.cpu(), float(value), have))


def _put(labelled, item, stop) -> bool:
    while not stop.is_set():
        try:
            labelled.put(item, timeout=_POLL_S)
            return True
        except queue.Full:
            continue
    return False


def _end_with_the_trainer() -> None:
    """The trainer may have been killed; nobody would take what is labelled then."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _packed(item: Labelled) -> dict:
    """As numpy arrays: they go through the pipe as bytes."""
    return {
        "draw": item.draw,
        "batch": {
            k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in vars(item.batch).items()
        },
        "target": item.target.numpy(),
        "rest": (item.value, item.weights_step),
    }


def _unpacked(item: dict) -> Labelled:
    host = {"row", "judged_row", "follow", "limit"}
    batch = {k: v if k in host else torch.from_numpy(v) for k, v in item["batch"].items()}
    return Labelled(item["draw"], Batch(**batch), torch.from_numpy(item["target"]), *item["rest"])
