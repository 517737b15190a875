"""What affordance maps learn: where the gripper acts, from first pictures, and to tell it on."""

from __future__ import annotations

import torch

from mtopt_learning.qlearn.affordance import SPREAD_M, AffordanceScores, twice


def axis_loss(
    scores: AffordanceScores, place_m: torch.Tensor, axis: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Weighted mean squared error of the axis in the cells near where the gripper closes.

    Args:
        scores: Of n states, of a map that tells axes.
        place_m: (n, 2) where it closes.
        axis: (n, 2) cosine and sine of twice the azimuth then.
        weight: (n,), not negative; 0 leaves a state out.
    """
    near = torch.softmax(-0.5 * scores.distance(place_m), -1).detach()
    each = ((scores.axis - axis[:, None]).square().sum(-1) * near).sum(-1)
    return (each * weight).sum() / weight.sum().clamp_min(1)


def place_loss(
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
    each = -torch.logsumexp(chance - 0.5 * scores.distance(place_m)[:, None], -1)
    return (each * weight).sum() / weight.sum().clamp_min(1)


def affordance_loss(
    scores: AffordanceScores,
    task: torch.Tensor,
    acted_m: torch.Tensor,
    acted_azimuth: torch.Tensor,
    closes: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """The loss of what maps tell of tasks: where the gripper acts and, where it closes, how it is
    turned; of as much of that as a network has.

    Args:
        scores: Of n states.
        task: (n, k) int64.
        acted_m: (n, 2) where the gripper acts, x, y in the bin's frame.
        acted_azimuth: (n, 2) sine and cosine of its azimuth there.
        closes: (n,) 1 where it closes there, 0 where it opens.
        weight: (n, k), not negative; 0 leaves an entry out.
    """
    loss = place_loss(scores, task, acted_m, weight)
    if scores.axis is not None:
        loss = loss + axis_loss(scores, acted_m, twice(acted_azimuth), closes * weight.amax(1))
    return loss


def carried_loss(
    scores: AffordanceScores, first: AffordanceScores, task: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """How far maps are from what they tell of their episodes' first pictures.

    The divergence of Kullback and Leibler from the first to the later map, and the squared errors
    of the places and the axes where the first task acts. Both learn: a map that runs after itself
    may run away.

    Args:
        scores: Of n states.
        first: Of the first states of their episodes.
        task: (n, k) int64.
        weight: (n,), not negative; 0 leaves a state out.
    """
    rows = torch.arange(len(task), device=task.device)[:, None]
    wanted = torch.log_softmax(first.score[rows, task], -1)
    found = torch.log_softmax(scores.score[rows, task], -1)
    each = (wanted.exp() * (wanted - found)).sum(-1).mean(1)
    if scores.axis is not None:
        apart = (scores.place_m - first.place_m).square().sum(-1) / SPREAD_M**2
        error = (scores.axis - first.axis).square().sum(-1)
        each = each + (wanted[:, 0].detach().exp() * (apart + error)).sum(-1)
    return (each * weight).sum() / weight.sum().clamp_min(1)


def first_picture_loss(
    scores: AffordanceScores,
    first: AffordanceScores,
    task: torch.Tensor,
    acted_m: torch.Tensor,
    acted_azimuth: torch.Tensor,
    closes: torch.Tensor,
    weight: torch.Tensor,
    as_first: torch.Tensor,
) -> torch.Tensor:
    """What first pictures learn by `affordance_loss`, and later ones from them by `carried_loss`.

    Only the first pictures learn where the gripper acts. In later ones it is on its way there, and
    a map that may look at it learns where the gripper is.

    Args:
        scores: Of n states or more.
        first: Of the first pictures of the first states' episodes.
        task: (n, k) int64.
        acted_m: (n, 2) where the gripper acts, x, y in the bin's frame.
        acted_azimuth: (n, 2) sine and cosine of its azimuth there.
        closes: (n,) 1 where it closes there, 0 where it opens.
        weight: (n, k), not negative; 0 leaves an entry out of what first pictures learn.
        as_first: (n,) 1 where the first picture still tells where to act, else 0.
    """
    count = len(first.score)
    told = affordance_loss(
        first, task[:count], acted_m[:count], acted_azimuth[:count], closes[:count], weight[:count]
    )
    return told + carried_loss(scores.first(count), first, task[:count], as_first[:count])
