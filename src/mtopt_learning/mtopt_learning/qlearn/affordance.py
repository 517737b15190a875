"""Where in the picture the gripper will act for each task: an affordance map.

A tower that ends in dense layers has to learn a banana anew at every place of the bin; a map of
scores is one convolution, the same everywhere. It is taught by hindsight: the place at which a
successful episode's gripper closed (or opened) is where its task was to be done, and is seen in its
first picture. In later ones the gripper itself would tell, which goes there, and a map taught so
follows the gripper: they learn to tell what the first one told. Such labels from the gripper's own
actions: VAPO (arXiv 2203.00352), section III; coordinates as means over a map: spatial softmax
(arXiv 1504.00702), section 4.1. To a goal there are two places: where the gripper last closes on
the way, and where the goal's picture shows it. The map tells the axis, too: how the gripper is
turned where it closes, which half a turn leaves as it is.

The map is of one fixed camera. Its pixels are tied to the bin's frame by a quadratic of the pixel
that learning adjusts; `train/self_calibration.py` gives the first guess.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

_FEATURES, _CLOSEUP_FEATURES = 6, 5
"""What a map says for a task, and what a close-up adds: see `AffordanceMap.read`."""
SPREAD_M = 0.02
"""Standard deviation with which an episode's place is known, of its object's size."""
OFFSET_M = 0.03
"""How far from a cell's middle its object may lie, along x and y."""
_SCALE_1_M, _CLOSEUP_SCALE_1_M = 8.0, 24.0
_LEAST = 1e-6


@dataclass(frozen=True)
class AffordanceScores:
    """A map of n states.

    Attributes:
        score: (n, maps, cells) float32, not normalised: a cell's chance is its softmax.
        place_m: (cells, 2) x, y of the cells in the bin's frame; (n, cells, 2) of a map whose cells
            tell where in them.
        axis: (n, cells, 2) cosine and sine of twice the azimuth at which the gripper closes in
            each; None of a map that does not tell.
    """

    score: torch.Tensor
    place_m: torch.Tensor
    axis: torch.Tensor | None = None

    def first(self, count: int) -> AffordanceScores:
        """Those of the first states."""
        place_m = self.place_m if self.place_m.dim() == 2 else self.place_m[:count]
        axis = None if self.axis is None else self.axis[:count]
        return AffordanceScores(self.score[:count], place_m, axis)

    def distance(self, place_m: torch.Tensor) -> torch.Tensor:
        """(n, cells) squared, from the cells to (n, 2) places, in units of `SPREAD_M`."""
        return (self.place_m - place_m[:, None]).square().sum(-1) / SPREAD_M**2


class AffordanceMap(nn.Module):
    """Several maps: scores of every cell of a tower's first feature map.

    What surrounds a cell comes from coarser feature maps, each brought up to the next finer one
    and added to it: the top-down pathway of feature pyramids (arXiv 1612.03144, section 3).

    Args:
        sizes: (channels, rows, columns) of each feature map that it looks at, the finest first.
        maps: Their number.
        closeup: Whether a cell, which is as large as a thing, tells where in it, by up to
            `OFFSET_M`, and the map of what is under the gripper: where that is, and at which axis
            the gripper closes there. Things lie so near to each other that the mean near the tool
            is between them.
        hidden: Channels between.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int, int]],
        maps: int,
        closeup: bool = False,
        hidden: int = 24,
    ):
        super().__init__()
        channels, rows, columns = sizes[0]
        self.lateral = nn.ModuleList(
            nn.Conv2d(coarse[0], fine[0], 1) for fine, coarse in itertools.pairwise(sizes)
        )
        self.smooth = nn.Conv2d(channels, channels, 3, 1, 1) if self.lateral else None
        self.look = nn.Conv2d(channels, hidden, 3, 1, 1)
        self.score = nn.Conv2d(hidden, maps, 1)
        self.axis = nn.Conv2d(hidden, 2, 1) if closeup else None
        self.offset = nn.Conv2d(hidden, 2, 1) if closeup else None
        self.features = _FEATURES + _CLOSEUP_FEATURES * closeup
        v, u = torch.meshgrid(_centres(rows), _centres(columns), indexing="ij")
        self.register_buffer("terms", quadratic(u.flatten(), v.flatten()), persistent=False)
        # In units in which the optimiser's step suits them as it suits the other weights.
        self.place_5m = nn.Parameter(torch.zeros(self.terms.shape[1], 2))
        self.near_log_m = nn.Parameter(torch.tensor(0.1).log())
        if closeup:
            self.closeup_log_m = nn.Parameter(torch.tensor(0.04).log())
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
        seen, axis = torch.relu(self.look(seen)), None
        score = 5 * self.score(seen).flatten(2).contiguous().float()
        with torch.autocast(seen.device.type, enabled=False):
            place_m = self.terms @ (5 * self.place_5m)
        if self.axis is not None:
            axis = self.axis(seen).flatten(2).transpose(1, 2).float()
            offset = self.offset(seen).flatten(2).transpose(1, 2).float()
            place_m = place_m + OFFSET_M * torch.tanh(offset)
        return AffordanceScores(score, place_m, axis)

    def read(
        self, scores: AffordanceScores, tool_m: torch.Tensor, azimuth: torch.Tensor
    ) -> torch.Tensor:
        """(n, maps, 6 or 11): from the tool to the map's mean (x, y) and to its mean near the tool
        (x, y), the chance of what is near, and the spread; in close-up the mean (x, y) and the
        chance again, and cosine and sine of twice the turn to the axis.

        Args:
            scores: Of `forward`.
            tool_m: (n, 2) x, y of the tool in the bin's frame.
            azimuth: (n, 2) sine and cosine of its azimuth.
        """
        place, tool = scores.place_m, tool_m[:, None]
        weight = torch.exp(scores.score - scores.score.detach().amax(-1, keepdim=True))
        moments = torch.cat(
            [torch.ones_like(place[..., :1]), place, place.square().sum(-1, keepdim=True)], -1
        )
        whole, x_y, square = (weight @ moments).split([1, 2, 1], -1)
        mean = x_y / whole
        spread = (square / whole - mean.square().sum(-1, keepdim=True)).clamp_min(1e-4).sqrt()
        squared_m2, little = (place - tool).square().sum(-1, keepdim=True), _LEAST * whole

        def near(spread_log_m: torch.Tensor, of_cells: torch.Tensor) -> tuple[torch.Tensor, ...]:
            """Log of the chance, and the means of the rest, near the tool."""
            nearness = torch.exp(-0.5 * squared_m2 / torch.exp(2 * spread_log_m))
            close, place_sum, rest = (weight @ (nearness * of_cells)).tensor_split([1, 3], -1)
            close = close + little
            return (close / whole).log() / 3, (place_sum + little * tool) / close, rest / close

        chance, mean_near, _ = near(self.near_log_m, moments[..., :3])
        read = [
            _SCALE_1_M * (mean - tool), _SCALE_1_M * (mean_near - tool), chance, _SCALE_1_M * spread
        ]  # fmt: skip
        if self.axis is not None:
            of_cells = torch.cat([moments[..., :3].expand(len(tool), -1, -1), scores.axis], -1)
            chance, mean_near, axis = near(self.closeup_log_m, of_cells)
            back = twice(azimuth) * axis.new_tensor([1.0, -1.0])
            turn = turned(axis, back[:, None].expand_as(axis))
            read += [_CLOSEUP_SCALE_1_M * (mean_near - tool), chance, turn]
        return torch.cat(read, -1)


def twice(azimuth: torch.Tensor) -> torch.Tensor:
    """(n, 2) cosine and sine of twice the angles of (n, 2) sines and cosines."""
    sin, cos = azimuth.unbind(-1)
    return torch.stack([cos * cos - sin * sin, 2 * sin * cos], -1)


def turned(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(n, 2) cosine and sine of the sum of two angles, each given by these: a complex product."""
    (a, b), (c, d) = one.unbind(-1), other.unbind(-1)
    return torch.stack([a * c - b * d, a * d + b * c], -1)


def quadratic(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(n, 6): 1, u, v, u v, u^2, v^2 of (n,) picture coordinates from -1 to 1, right and down."""
    return torch.stack([torch.ones_like(u), u, v, u * v, u * u, v * v], -1)


def _centres(count: int) -> torch.Tensor:
    return (torch.arange(count) + 0.5) * (2 / count) - 1
