"""The cross-entropy method over actions: QT-Opt (arXiv 1806.10293), section 4.2 and appendix C.

Four continuous numbers are drawn from a Gaussian, the gripper from a categorical distribution
(nothing, close, open); both are fitted anew to the elites. *Terminate* is one action, so it is one
more candidate at the end instead of a dimension. Noise is an argument: the same noise gives the
same action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from mtopt_learning.qlearn.actions import CLOSE, CODE_SIZE, CONTINUOUS, OPEN, terminate_code


@dataclass(frozen=True)
class CemConfig:
    """The search; QT-Opt's has two iterations, and acting gains by more.

    Attributes:
        samples: Actions tried an iteration.
        elites: Best ones that the next distribution is fitted to.
        iterations: Times it is fitted.
        first_std: Of the first Gaussian, in units of the largest action.
        least_std: A distribution never becomes narrower.
        least_probability: Of each gripper command.
        terminate: Whether *terminate* is a candidate.
    """

    samples: int = 64
    elites: int = 6
    iterations: int = 4
    first_std: float = 0.7
    least_std: float = 0.05
    least_probability: float = 0.05
    terminate: bool = True


def draw_noise(
    batch: int, config: CemConfig, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise for `maximise`: (iterations, batch, samples, 4) normal, (…, samples) uniform."""
    shape = (config.iterations, batch, config.samples)
    return (
        torch.randn(*shape, CONTINUOUS, generator=generator),
        torch.rand(*shape, generator=generator),
    )


def maximise(
    score: Callable[[torch.Tensor], torch.Tensor],
    batch: int,
    config: CemConfig,
    normal: torch.Tensor,
    uniform: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best action found for each state of a batch.

    Args:
        score: Maps (batch, samples, 7) codes to (batch, samples) scores.
        batch: Number of states.
        config: The search.
        normal: (iterations, batch, samples, 4) standard normal noise, on the scores' device.
        uniform: (iterations, batch, samples) noise in [0, 1), there too.

    Returns:
        (batch, 7) codes and (batch,) their scores.
    """
    device = normal.device
    mean = torch.zeros(batch, 1, CONTINUOUS, device=device)
    std = torch.full((batch, 1, CONTINUOUS), config.first_std, device=device)
    gripper = torch.full((batch, 3), 1 / 3, device=device)
    best_code = torch.zeros(batch, CODE_SIZE, device=device)
    best_score = torch.full((batch,), -torch.inf, device=device)
    for i in range(config.iterations):
        continuous = (mean + std * normal[i]).clamp(-1, 1)
        command = (uniform[i][..., None] >= gripper.cumsum(-1)[:, None, :2]).sum(-1)
        code = torch.zeros(batch, config.samples, CODE_SIZE, device=device)
        code[..., :CONTINUOUS] = continuous
        code[..., CLOSE] = (command == 1).float()
        code[..., OPEN] = (command == 2).float()
        scores = score(code)
        elite_scores, elite = scores.topk(config.elites, dim=1)
        elites = continuous.gather(1, elite[..., None].expand(-1, -1, CONTINUOUS))
        mean = elites.mean(1, keepdim=True)
        std = elites.std(1, keepdim=True, unbiased=False).clamp_min(config.least_std)
        share = F.one_hot(command.gather(1, elite), 3).float().mean(1)
        gripper = share.clamp_min(config.least_probability)
        gripper = gripper / gripper.sum(-1, keepdim=True)
        first = code.gather(1, elite[:, :1, None].expand(-1, 1, CODE_SIZE))[:, 0]
        better = elite_scores[:, 0] > best_score
        best_code = torch.where(better[:, None], first, best_code)
        best_score = torch.where(better, elite_scores[:, 0], best_score)
    if config.terminate:
        stop = terminate_code((batch, 1), device)
        stop_score = score(stop)[:, 0]
        better = stop_score > best_score
        best_code = torch.where(better[:, None], stop[:, 0], best_code)
        best_score = torch.where(better, stop_score, best_score)
    return best_code, best_score
