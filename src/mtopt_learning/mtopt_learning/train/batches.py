"""Rows of a data set as tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from mtopt_learning.qlearn.actions import encode
from mtopt_learning.relabel.deciding_steps import GripperChanges
from mtopt_learning.relabel.sampler import Draw
from mtopt_spec.interfaces import EndReason
from mtopt_spec.observation import AZIMUTH, GRIPPER_CLOSED, TOOL_XY


@dataclass(frozen=True)
class Transitions:
    """A batch of n steps, each for k tasks.

    Rows and positions stay on the host, so that no device has to be asked for a shape.

    Attributes:
        row: (n,) int64 rows of the states; the next states are the rows after them.
        follow: (f,) int64 positions of the states that something follows: those whose step did
            not terminate the episode.
        limit: (l,) int64 positions in `follow` of the steps that the limit cut off.
        action: (n, 7) codes.
        next_action: (n, 7) codes; unread for an episode's last step.
        terminal: (n,) bool, the step ended the episode by *terminate* (a limit is no end).
        cut_off: (n,) bool, the step was the last before the limit.
        truncated_episode: (n,) bool, the episode ends by the limit.
        steps_to_go: (n,) recorded steps to the end, this one included.
        task: (n, k) int64.
        success: (n, k) label of the episode's last state.
        weight: (n, k).
        first_row: (n,) int64 rows of the episodes' first states, before anything was touched.
        acted_m: (n, 2) x, y of the tool where the gripper last closes or opens in the episode,
            which decides its outcome.
        acted_azimuth: (n, 2) sine and cosine of its azimuth there.
        closes: (n,) float32, 1 where it closes there, 0 where it opens.
        acts: (n,) float32, 1 where it ever does.
        as_first: (n,) float32, 1 where the place to act is where it was at first: nothing was
            touched so far, or what decides is to open, and where to put things down stays.
    """

    row: np.ndarray
    follow: np.ndarray
    limit: np.ndarray
    action: torch.Tensor
    next_action: torch.Tensor
    terminal: torch.Tensor
    cut_off: torch.Tensor
    truncated_episode: torch.Tensor
    steps_to_go: torch.Tensor
    task: torch.Tensor
    success: torch.Tensor
    weight: torch.Tensor
    first_row: np.ndarray
    acted_m: torch.Tensor
    acted_azimuth: torch.Tensor
    closes: torch.Tensor
    acts: torch.Tensor
    as_first: torch.Tensor

    def to(self, device: torch.device) -> Self:
        """The same with its tensors on a device."""
        if device.type == "cpu":
            return self
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return replace(self, **{k: to_device(v, device) for k, v in tensors.items()})


@dataclass(frozen=True)
class Batch(Transitions):
    """The same, and m states that are judged as if they were last, each for k tasks.

    Attributes:
        judged_row: (m,) int64 rows of the states.
        judged_task, judged_success, judged_weight: (m, k), as for the steps.
    """

    judged_row: np.ndarray
    judged_task: torch.Tensor
    judged_success: torch.Tensor
    judged_weight: torch.Tensor


def transitions(dataset, draw: Draw, changes: GripperChanges) -> Transitions:
    """The drawn steps of a data set; none reaches over an episode's end.

    Args:
        dataset: A `Dataset`.
        draw: The steps.
        changes: Of the data set.
    """
    row = dataset.episode_start[draw.episode] + draw.step
    steps = dataset.episode_steps[draw.episode].astype(np.int64)
    last = draw.step == steps - 1
    limit = dataset.episode_reason[draw.episode] == EndReason.LIMIT
    terminal = last & ~limit
    follow = np.flatnonzero(~terminal)
    next_row = np.where(last, row, row + 1)  # the last state has no action: unread there
    first_change, last_change = changes.first_row[draw.episode], changes.last_row[draw.episode]
    acted = proprioception(dataset, np.maximum(last_change, 0))
    closes = acted[:, GRIPPER_CLOSED] < 0.5
    untouched = (first_change < 0) | (row <= first_change)
    return Transitions(
        row=row,
        follow=follow,
        limit=np.flatnonzero((last & limit)[follow]),
        action=encode(torch.from_numpy(dataset.action[row])),
        next_action=encode(torch.from_numpy(dataset.action[next_row])),
        terminal=torch.from_numpy(terminal),
        cut_off=torch.from_numpy(last & limit),
        truncated_episode=torch.from_numpy(limit),
        steps_to_go=torch.from_numpy(steps - draw.step),
        task=torch.from_numpy(draw.task),
        success=torch.from_numpy(draw.success),
        weight=torch.from_numpy(draw.weight),
        first_row=dataset.episode_start[draw.episode],
        acted_m=acted[:, TOOL_XY],
        acted_azimuth=acted[:, AZIMUTH],
        closes=closes.float(),
        acts=torch.from_numpy((last_change >= 0).astype(np.float32)),
        as_first=(torch.from_numpy(untouched) | ~closes).float(),
    )


def with_judged(
    dataset, steps: Transitions, ends: Draw, undecided: Draw, undecided_step: np.ndarray
) -> Batch:
    """The steps, and judged states of other drawn episodes.

    Args:
        dataset: A `Dataset`.
        steps: The steps.
        ends: Episodes whose last states count, with their labels.
        undecided: Episodes of which a state counts as a failure.
        undecided_step: (u,) steps of those states.
    """
    last = dataset.episode_start[ends.episode] + dataset.episode_steps[ends.episode]
    early = dataset.episode_start[undecided.episode] + undecided_step
    counts = (undecided.weight > 0).astype(np.float32)
    return Batch(
        **vars(steps),
        judged_row=np.concatenate([last, early]),
        judged_task=torch.from_numpy(np.concatenate([ends.task, undecided.task])),
        judged_success=torch.from_numpy(np.concatenate([ends.success, 0 * undecided.success])),
        judged_weight=torch.from_numpy(np.concatenate([ends.weight, counts])),
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


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the host on a device; the copy does not hold up the host."""
    if tensor.device.type == device.type:
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
