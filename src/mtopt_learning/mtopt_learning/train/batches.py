"""Rows of a data set as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mtopt_learning.qlearn.actions import encode
from mtopt_learning.relabel.sampler import Draw
from mtopt_spec.interfaces import EndReason


@dataclass(frozen=True)
class Transitions:
    """A batch of n steps, each for k tasks.

    Attributes:
        row: (n,) int64 rows of the states; the next states are the rows after them.
        action: (n, 7) codes.
        next_action: (n, 7) codes; unread where `last`.
        last: (n,) bool, the episode's last step.
        terminal: (n,) bool, it ended by *terminate* (a limit is no end of the task).
        truncated_episode: (n,) bool, the episode ends by the limit.
        steps_to_go: (n,) recorded steps to the end, this one included.
        task: (n, k) int64.
        success: (n, k) label of the episode's last state.
        weight: (n, k).
    """

    row: np.ndarray
    action: torch.Tensor
    next_action: torch.Tensor
    last: torch.Tensor
    terminal: torch.Tensor
    truncated_episode: torch.Tensor
    steps_to_go: torch.Tensor
    task: torch.Tensor
    success: torch.Tensor
    weight: torch.Tensor


def transitions(dataset, draw: Draw) -> Transitions:
    """The drawn steps of a data set; none reaches over an episode's end."""
    row = dataset.episode_start[draw.episode] + draw.step
    steps = dataset.episode_steps[draw.episode].astype(np.int64)
    last = draw.step == steps - 1
    limit = dataset.episode_reason[draw.episode] == EndReason.LIMIT
    next_row = np.where(last, row, row + 1)  # the last state has no action: unread there
    return Transitions(
        row=row,
        action=encode(torch.from_numpy(dataset.action[row])),
        next_action=encode(torch.from_numpy(dataset.action[next_row])),
        last=torch.from_numpy(last),
        terminal=torch.from_numpy(last & ~limit),
        truncated_episode=torch.from_numpy(limit),
        steps_to_go=torch.from_numpy(steps - draw.step),
        task=torch.from_numpy(draw.task),
        success=torch.from_numpy(draw.success),
        weight=torch.from_numpy(draw.weight),
    )


def pictures(dataset, cameras, rows: np.ndarray) -> dict[str, torch.Tensor]:
    """Camera to (n, 3, h, w) uint8, channels last in memory."""
    return {
        camera: torch.from_numpy(dataset.images[camera][rows]).permute(0, 3, 1, 2)
        for camera in cameras
    }


def proprioception(dataset, rows: np.ndarray) -> torch.Tensor:
    """(n, 7) float32."""
    return torch.from_numpy(dataset.state[rows])
