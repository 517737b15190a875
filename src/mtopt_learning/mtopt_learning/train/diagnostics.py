"""Cheap figures that tell early whether a Q-function will act well."""

from __future__ import annotations

import numpy as np
import torch

from mtopt_learning.qlearn.actions import encode
from mtopt_learning.qlearn.network import QNetwork
from mtopt_learning.train.batches import pictures, proprioception

CLOSE_COLUMN, OPEN_COLUMN = 5, 6


def area_under_curve(score: np.ndarray, label: np.ndarray) -> float:
    """The chance that a success scores above a failure; ties count half; NaN without both."""
    score, label = np.asarray(score, float), np.asarray(label) >= 0.5
    if label.all() or not label.any():
        return float("nan")
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    rank = np.empty(len(score))
    edges = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1], True])
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        rank[order[low:high]] = (low + high + 1) / 2
    good = int(label.sum())
    return float((rank[label].sum() - good * (good + 1) / 2) / (good * (len(label) - good)))


def gripper_steps(dataset) -> np.ndarray:
    """(episodes,) step of the first command to close or open the gripper; -1 for none."""
    commanded = np.any(dataset.action[:, [CLOSE_COLUMN, OPEN_COLUMN]] > 0.5, axis=1)
    rows = np.flatnonzero(commanded)
    episode = np.searchsorted(dataset.episode_start, rows, side="right") - 1
    first, index = np.unique(episode, return_index=True)
    out = np.full(len(dataset.episode_start), -1, np.int64)
    out[first] = rows[index] - dataset.episode_start[first]
    return out


def deciding_rows(dataset, episodes: np.ndarray, column: int = CLOSE_COLUMN) -> np.ndarray:
    """(n,) the row of each episode at which the gripper was first told to close (or open).

    -1 where it never was.
    """
    out = np.full(len(episodes), -1, np.int64)
    for i, episode in enumerate(episodes):
        start, steps = dataset.episode_start[episode], dataset.episode_steps[episode]
        hits = np.flatnonzero(dataset.action[start : start + steps, column] > 0.5)
        if len(hits):
            out[i] = start + hits[0]
    return out


@torch.no_grad()
def closing_auc(
    network: QNetwork,
    dataset,
    episodes: np.ndarray,
    task: int,
    success: np.ndarray,
    column: int = CLOSE_COLUMN,
) -> float:
    """How well Q at the deciding moment tells the episode's outcome.

    Args:
        network: The Q-function.
        dataset: Of the episodes.
        episodes: (n,) indices.
        task: Whose Q.
        success: (n,) labels.
        column: Of the action that decides: the close flag for a lift.
    """
    rows = deciding_rows(dataset, episodes, column)
    keep = rows >= 0
    if keep.sum() < 10:
        return float("nan")
    rows = rows[keep]
    cameras = [tower.camera for tower in network.config.towers]
    embedding = network.embed(pictures(dataset, cameras, rows), proprioception(dataset, rows))
    action = encode(torch.from_numpy(dataset.action[rows]))[:, None]
    q = network.q(embedding, torch.full((len(rows),), task), action)[:, 0]
    return area_under_curve(q.numpy(), success[keep])
