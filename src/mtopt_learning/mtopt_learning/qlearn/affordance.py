"""Where in the picture the gripper will act for each task: an affordance map.

A tower that ends in dense layers has to learn a banana anew at every place of the bin; a map of
scores is one convolution, the same everywhere. It is taught by hindsight: the place at which a
successful episode's gripper closed (or opened) is where its task was to be done, and is seen in
every picture before. Such labels from the gripper's own actions: VAPO (arXiv 2203.00352), section
III; coordinates as means over a map: spatial softmax (arXiv 1504.00702), section 4.1. To a goal
there are two places: where the gripper last closes on the way, and where the goal's picture shows
it. Neither depends on what the gripper does now, which a picture hardly tells.

The map is of one fixed camera. Its pixels are tied to the bin's frame by a quadratic of the pixel
that learning adjusts; `train/self_calibration.py` gives the first guess.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

FEATURES = 6
"""What a map says for a task: see `AffordanceMap.read`."""
SPREAD_M = 0.03
"""Standard deviation with which an episode's place is known, of its object's size."""
_SCALE_1_M = 8.0
_LEAST = 1e-6


@dataclass(frozen=True)
class AffordanceScores:
    """A map of n states.

    Attributes:
        score: (n, maps, cells) float32, not normalised: a cell's chance is its softmax.
        place_m: (cells, 2) x, y of the cells in the bin's frame.
    """

    score: torch.Tensor
    place_m: torch.Tensor


class AffordanceMap(nn.Module):
    """Several maps: scores of every cell of a tower's first feature map.

    What surrounds a cell comes from coarser feature maps, each brought up to the next finer one
    and added to it: the top-down pathway of feature pyramids (arXiv 1612.03144, section 3).

    Args:
        sizes: (channels, rows, columns) of each feature map that it looks at, the finest first.
        maps: Their number.
        hidden: Channels between.
    """

    def __init__(self, sizes: Sequence[tuple[int, int, int]], maps: int, hidden: int = 24):
        super().__init__()
        channels, rows, columns = sizes[0]
        self.lateral = nn.ModuleList(
            nn.Conv2d(coarse[0], fine[0], 1) for fine, coarse in itertools.pairwise(sizes)
        )
        self.smooth = nn.Conv2d(channels, channels, 3, 1, 1) if self.lateral else None
        self.look = nn.Conv2d(channels, hidden, 3, 1, 1)
        self.score = nn.Conv2d(hidden, maps, 1)
        v, u = torch.meshgrid(_centres(rows), _centres(columns), indexing="ij")
        self.register_buffer("terms", quadratic(u.flatten(), v.flatten()), persistent=False)
        # In units in which the optimiser's step suits them as it suits the other weights.
        self.place_5m = nn.Parameter(torch.zeros(self.terms.shape[1], 2))
        self.near_log_m = nn.Parameter(torch.tensor(0.1).log())
        self.register_buffer("calibrated", torch.tensor(False))

    @torch.no_grad()
    def calibrate(self, coefficients_m: torch.Tensor) -> None:
        """Takes the first coefficients of x and y: (k, 2) over the first k terms of `quadratic`."""
        self.place_5m.zero_()[: len(coefficients_m)] = coefficients_m / 5
        self.calibrated.fill_(True)

    def forward(self, features: Sequence[torch.Tensor]) -> AffordanceScores:
        """The map of (n, channels, rows, columns) feature maps, of the sizes given."""
        *finer, seen = features
        for fine, lateral in zip(reversed(finer), reversed(self.lateral), strict=True):
            above = nn.functional.interpolate(lateral(seen), fine.shape[2:], mode="bilinear")
            seen = torch.relu(fine + above)
        if self.smooth is not None:
            seen = torch.relu(self.smooth(seen))
        score = 5 * self.score(torch.relu(self.look(seen))).flatten(2).contiguous().float()
        with torch.autocast(seen.device.type, enabled=False):
            return AffordanceScores(score, self.terms @ (5 * self.place_5m))

    def read(self, scores: AffordanceScores, tool_m: torch.Tensor) -> torch.Tensor:
        """(n, maps, 6): from the tool to the map's mean (x, y) and to its mean near the tool
        (x, y), the chance of what is near, and the spread.

        Args:
            scores: Of `forward`.
            tool_m: (n, 2) x, y of the tool in the bin's frame.
        """
        place, tool = scores.place_m, tool_m[:, None]
        weight = torch.exp(scores.score - scores.score.detach().amax(-1, keepdim=True))
        ones = torch.ones_like(place[:, :1])
        moments = torch.cat([ones, place, place.square().sum(-1, keepdim=True)], -1)
        whole, x_y, square = (weight @ moments).split([1, 2, 1], -1)
        mean = x_y / whole
        spread = (square / whole - mean.square().sum(-1, keepdim=True)).clamp_min(1e-4).sqrt()
        distance = (place - tool).square().sum(-1, keepdim=True)
        nearness = torch.exp(-0.5 * distance / torch.exp(2 * self.near_log_m))
        close, close_x_y = (weight @ (nearness * moments[:, :3])).split([1, 2], -1)
        little = _LEAST * whole
        near = (close_x_y + little * tool) / (close + little)
        return torch.cat(
            [
                _SCALE_1_M * (mean - tool), _SCALE_1_M * (near - tool),
                ((close + little) / whole).log() / 3, _SCALE_1_M * spread,
            ],
            -1,
        )  # fmt: skip


def affordance_loss(
    scores: AffordanceScores, task: torch.Tensor, place_m: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Weighted mean of -log p(place | picture, task): the map's cells as a mixture of Gaussians.

    Args:
        scores: Of n states.
        task: (n, k) int64.
        place_m: (n, 2) where the gripper acted, x, y in the bin's frame.
        weight: (n, k), not negative; 0 leaves an entry out.
    """
    rows = torch.arange(len(task), device=task.device)[:, None]
    chance = torch.log_softmax(scores.score[rows, task], -1)
    distance = (scores.place_m - place_m[:, None]).square().sum(-1) / SPREAD_M**2
    each = -torch.logsumexp(chance - 0.5 * distance[:, None], -1)
    return (each * weight).sum() / weight.sum().clamp_min(1)


def goal_affordance_loss(
    scores: AffordanceScores,
    goal: int,
    closed_m: torch.Tensor,
    closes: torch.Tensor,
    shown_m: torch.Tensor,
) -> torch.Tensor:
    """The loss of both places to a goal, or of the first, where a network has that alone.

    Args:
        scores: Of m states.
        goal: Which map is of where the gripper closes; the next one is of the goal's picture.
        closed_m: (n, 2) where the gripper last closes before the goal, of the first n states.
        closes: (n,) 1 where it does, else 0.
        shown_m: (m, 2) where it is in the goals' pictures.
    """
    n = len(closed_m)
    first = AffordanceScores(scores.score[:n], scores.place_m)
    which = torch.full((len(shown_m), 1), goal, device=scores.score.device)
    loss = affordance_loss(first, which[:n], closed_m, closes[:, None])
    if scores.score.shape[1] > goal + 1:
        every = torch.ones_like(shown_m[:, :1])
        loss = loss + affordance_loss(scores, which + 1, shown_m, every)
    return loss


def quadratic(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(n, 6): 1, u, v, u v, u^2, v^2 of (n,) picture coordinates from -1 to 1, right and down."""
    return torch.stack([torch.ones_like(u), u, v, u * v, u * u, v * v], -1)


def _centres(count: int) -> torch.Tensor:
    return (torch.arange(count) + 0.5) * (2 / count) - 1
