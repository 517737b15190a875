"""Cheap figures that tell early whether a Q-function will act well."""

from __future__ import annotations

import numpy as np
import torch

from mtopt_learning.qlearn.actions import encode
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.relabel.deciding_steps import CLOSE_COLUMN, OPEN_COLUMN, deciding_rows
from mtopt_learning.train.batches import proprioception, to_device
from mtopt_learning.train.learning_data import LearningData
from mtopt_learning.train.picture_store import PictureStore
from mtopt_spec.task import TaskList

_LEAST_EPISODES = 10
_EMBED_ROWS = 256


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


@torch.no_grad()
def closing_aucs(
    network: TwoStageQ,
    data: LearningData,
    store: PictureStore,
    tasks: TaskList,
    wanted: tuple[str, ...],
    episodes: int,
) -> dict[str, float]:
    """Task to how well Q at the deciding moment tells held-out outcomes apart (AUC).

    The deciding moment is where the gripper first closes (lifts) or opens (all else). A state's
    pictures are embedded once, for all tasks that its episode counts for.

    Args:
        network: The Q-function.
        data: With the held-out episodes.
        store: Its pictures.
        tasks: The cell's tasks.
        wanted: Names of the tasks to tell of; empty: all.
        episodes: The newest ones that are looked at, each task.
    """
    rows_of: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for task, name in enumerate(tasks.names):
        known = data.held[np.isfinite(data.index[data.held, task])][-episodes:]
        if wanted and name not in wanted:
            continue
        column = CLOSE_COLUMN if tasks[task].skill == "lift" else OPEN_COLUMN
        rows = deciding_rows(data.dataset, known, column)
        keep = rows >= 0
        if keep.sum() >= _LEAST_EPISODES:
            rows_of[task] = rows[keep], data.index[known[keep], task]
    if not rows_of:
        return {}
    every = np.unique(np.concatenate([rows for rows, _ in rows_of.values()]))
    device = next(network.parameters()).device
    embedding = torch.cat(
        [
            network.embed(store.take(some), to_device(proprioception(data.dataset, some), device))
            for some in np.array_split(every, -(-len(every) // _EMBED_ROWS))
        ]
    )
    out = {}
    for task, (rows, success) in rows_of.items():
        at = torch.from_numpy(np.searchsorted(every, rows)).to(device)
        action = to_device(encode(torch.from_numpy(data.dataset.action[rows])), device)[:, None]
        q = network.q(embedding[at], torch.full((len(rows),), task, device=device), action)[:, 0]
        auc = area_under_curve(q.cpu().numpy(), success)
        if np.isfinite(auc):
            out[tasks.names[task]] = round(auc, 4)
    return out
