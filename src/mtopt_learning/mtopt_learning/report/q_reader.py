"""Reads Q-values off a checkpoint: for the report, and for `mtopt bags view`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mtopt_learning.checkpoint.q_function import load_q_function
from mtopt_learning.qlearn.actions import encode, terminate_code
from mtopt_learning.qlearn.cem import CemConfig, draw_noise, maximise
from mtopt_learning.qlearn.network import QNetwork
from mtopt_learning.report.q_values import BEST, SENT, STOP
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg


class QReader:
    """Q-values of recorded episodes by one checkpoint.

    Args:
        folder: Of the checkpoint.

    Attributes:
        tasks: Names of the tasks that it knows.
        about: Its fingerprint and step, for people.

    Raises:
        InputError: There is no checkpoint, or it is damaged.
    """

    def __init__(self, folder: Path):
        self._q_function = load_q_function(folder)
        self.tasks = self._q_function.tasks
        step = (self._q_function.metrics or {}).get("step")
        self.about = f"fingerprint {self._q_function.fingerprint}"
        if step is not None:
            self.about += f", step {step:,}"

    def curves(
        self, task: str, images: Mapping[str, np.ndarray], state: np.ndarray, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """`q_curves` of an episode.

        Args:
            task: Name of a task.
            images: Camera name to (n + 1, h, w, 3) uint8 RGB.
            state: (n + 1, 7) float32.
            action: (n, 8) float32.

        Raises:
            InputError: Another task, or pictures of another camera or size than it was trained on.
        """
        if task not in self.tasks:
            raise InputError(
                "task", where="checkpoint", got=repr(task), expected=f"one of {self.tasks}"
            )
        for camera, size in self._q_function.cameras.items():
            got = images[camera].shape[1:3] if camera in images else "no picture"
            if got != tuple(size):
                raise InputError(
                    f"pictures of camera {camera}", where="episode", got=got, expected=tuple(size)
                )
        network, index = self._q_function.network, self.tasks.index(task)
        return q_curves(network, CemConfig(), images, state, action, index)

    def of_pictures(
        self,
        task: str,
        images_jpeg: Mapping[str, Sequence[bytes]],
        state: np.ndarray,
        action: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """The same of JPEG pictures, as a bag holds them."""
        images = {
            camera: np.stack([decode_jpeg(picture) for picture in images_jpeg[camera]])
            for camera in self._q_function.cameras
            if camera in images_jpeg
        }
        return self.curves(task, images, state, action)


@torch.no_grad()
def q_curves(
    network: QNetwork,
    cem: CemConfig,
    images_nhwc_u8: Mapping[str, np.ndarray],
    state: np.ndarray,
    action: np.ndarray,
    task: int,
) -> dict[str, np.ndarray]:
    """Q along an episode of n steps.

    Args:
        network: The Q-network.
        cem: Search of the best action.
        images_nhwc_u8: Camera name to (n + 1, h, w, 3) uint8 RGB.
        state: (n + 1, 7) float32.
        action: (n, 8) float32, as sent.
        task: Index of the task.

    Returns:
        (n + 1,) each, in [0, 1]: Q of the action sent (NaN at the last observation), V (Q of the
        best action that the search finds), Q of *terminate*.
    """
    count = len(state)
    images = {
        tower.camera: torch.from_numpy(
            np.ascontiguousarray(images_nhwc_u8[tower.camera].transpose(0, 3, 1, 2))
        )
        for tower in network.config.towers
    }
    embedding = network.embed(images, torch.from_numpy(np.array(state, np.float32)))
    tasks = torch.full((count,), task, dtype=torch.int64)
    code = encode(torch.from_numpy(np.array(action, np.float32)))[:, None]
    noise = draw_noise(count, cem, torch.Generator().manual_seed(0))
    _, best = maximise(lambda codes: network.q(embedding, tasks, codes), count, cem, *noise)
    sent = np.full(count, np.nan)
    sent[:-1] = network.q(embedding[:-1], tasks[:-1], code)[:, 0].numpy()
    stop = network.q(embedding, tasks, terminate_code((count, 1)))[:, 0]
    return {SENT: sent, BEST: best.numpy(), STOP: stop.numpy()}
