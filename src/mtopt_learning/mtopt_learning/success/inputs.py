"""What the network gets of episodes of a data set."""

from __future__ import annotations

import numpy as np
import torch

from mtopt_learning.success.network import DetectorNetwork


def inputs(network: DetectorNetwork, dataset, episodes: np.ndarray) -> tuple:
    """Of the episodes' last states, and of the first where the network wants them.

    Args:
        network: For its cameras.
        dataset: A `Dataset`.
        episodes: (n,).

    Returns:
        Camera to (n, 3, h, w) uint8; (n, 7) float32 proprioception; first pictures or None.
    """
    last = dataset.last_row(episodes)
    first = dataset.episode_start[episodes] if network.config.first_image else None
    return (
        _pictures(network, dataset, last),
        torch.from_numpy(dataset.state[last]),
        None if first is None else _pictures(network, dataset, first),
    )


@torch.inference_mode()
def look(
    network: DetectorNetwork, dataset, episodes: np.ndarray, chunk: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the last states of episodes, and what the network makes of them.

    Returns:
        (n, tasks) float32; (n, hidden) float32.
    """
    logits = [np.zeros((0, network.config.tasks), np.float32)]
    embeddings = [np.zeros((0, network.config.hidden), np.float32)]
    for i in range(0, len(episodes), chunk):
        images, state, first = inputs(network, dataset, episodes[i : i + chunk])
        embedding = network.embed(images, state, first=first)
        embeddings.append(embedding.numpy())
        logits.append(network.judge(embedding).numpy())
    return np.concatenate(logits), np.concatenate(embeddings)


def _pictures(network: DetectorNetwork, dataset, rows: np.ndarray) -> dict[str, torch.Tensor]:
    return {
        camera: torch.from_numpy(dataset.images[camera][rows]).permute(0, 3, 1, 2)
        for camera in network.towers
    }
