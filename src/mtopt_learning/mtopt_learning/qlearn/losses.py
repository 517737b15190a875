"""Losses of the Q-function."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def bellman_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy between Q and its target: QT-Opt (arXiv 1806.10293), section 4.1.

    Args:
        logits: (heads, n) of Q.
        target: (n,) in [0, 1].
        weight: (n,) not negative; 0 leaves an entry out.

    Returns:
        The weighted mean over entries, summed over heads.
    """
    each = F.binary_cross_entropy_with_logits(
        logits, target.expand_as(logits), reduction="none"
    ).sum(0)
    return (each * weight).sum() / weight.sum().clamp_min(1e-6)


def conservative_loss(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Pushes the Q of unseen actions to 0: Actionable Models (arXiv 2104.07749), section 4.2.

    One of the sampled actions a state is drawn with probability proportional to
    exp(Q / temperature); the draw itself carries no gradient.

    Args:
        logits: (heads, n, samples) of actions drawn at random.
        uniform: (n,) noise in [0, 1) for the draw.
        temperature: Published: 1. A lower one draws the best of the samples more often.
    """
    q = torch.sigmoid(logits.detach()).amin(0)
    chance = torch.softmax(q / temperature, -1).cumsum(-1)
    index = (uniform[:, None] >= chance).sum(-1).clamp_max(q.shape[-1] - 1)
    drawn = logits.gather(2, index.expand(logits.shape[0], -1)[..., None])[..., 0]
    return F.softplus(drawn).sum(0).mean()
