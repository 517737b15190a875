"""What the data would do for a task or to reach a goal: a cloned policy beside Q, which chooses.

Where data show few actions a state, the largest Q of all actions is often that of one which nobody
took. Here Q chooses among those that the data's own policy might have taken, as
batch-constrained Q-learning does (arXiv 1812.02900, section 4), by a network of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mtopt_learning.qlearn.actions import (
    CLOSE,
    CODE_SIZE,
    CONTINUOUS,
    OPEN,
    TERMINATE,
    terminate_code,
)
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.trunk import Trunk, TrunkConfig

COMMANDS, STOP = 4, 3
"""Classes of what is done beside the move: nothing, close, open, terminate (`STOP`)."""
_HUBER = 0.2
"""Of the move's error, in units of the largest move: beyond it the loss is linear."""


@dataclass(frozen=True)
class ProposalConfig:
    """Which actions Q chooses among.

    Attributes:
        moves: Tried with each command, as many around each cloned move where there are several.
        std: Of the moves around a cloned one, in units of the largest; the first is that itself.
        goal_std: The same where a goal is to be reached: the clone's moves to it are better.
        least_probability: Commands that the clone thinks less likely are left out, but for its
            likeliest one.
    """

    moves: int = 24
    std: float = 0.05
    goal_std: float = 0.02
    least_probability: float = 0.05


class PolicyTrunk(Trunk):
    """A trunk and the layers of a policy behind it."""

    def __init__(self, config: TrunkConfig):
        super().__init__(config)
        sizes = [config.embedding] + [config.hidden] * config.layers
        self.layers = nn.ModuleList(map(nn.Linear, sizes, sizes[1:]))

    def features_and_map(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        task: torch.Tensor,
        goal: dict[str, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """(batch * k, hidden) features for actions, and the affordance map if there is one.

        Args:
            images: See `Trunk.embed_and_map`.
            state: There, too.
            task: (batch * k,) int64, k tasks a state.
            goal: There, too.
        """
        embedding, scores = self.embed_and_map(images, state, goal)
        x = self.of_task(embedding.repeat_interleave(len(task) // len(state), 0), task)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x, scores


class BehaviourPolicy(PolicyTrunk):
    """A cloned policy: (batch, 4 + `COMMANDS`) mean moves and logits of commands."""

    def __init__(self, config: TrunkConfig):
        super().__init__(config)
        self.out = nn.Linear(config.hidden, CONTINUOUS + COMMANDS)

    def forward(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        task: torch.Tensor,
        goal: dict[str, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """(batch * k, 8) float32, and the affordance map; see `PolicyTrunk.features_and_map`."""
        features, scores = self.features_and_map(images, state, task, goal)
        return self.out(features).float(), scores


def command_class(code: torch.Tensor) -> torch.Tensor:
    """(n,) int64 class of (n, 7) action codes: 0 nothing, 1 close, 2 open, 3 terminate."""
    flags = code[:, [CLOSE, OPEN, TERMINATE]] > 0.5
    order = torch.tensor([1, 2, STOP], device=code.device)
    return (flags * order).amax(1)


def clone_loss(
    output: torch.Tensor,
    code: torch.Tensor,
    weight: torch.Tensor | None = None,
    missed: torch.Tensor | None = None,
) -> torch.Tensor:
    """Huber loss of the move where there is one, plus cross-entropy of the command.

    Args:
        output: (n, 8) mean moves and logits of `COMMANDS`.
        code: (n, 7) recorded action codes.
        weight: (n,) not negative; None: all count the same.
        missed: (n,) not negative, of states of which no more is known than that nobody terminates
            there; None: there are none.
    """
    weight = torch.ones(len(code), device=code.device) if weight is None else weight
    command = command_class(code)
    moved = (command != STOP).float() * weight
    each = F.huber_loss(
        output[:, :CONTINUOUS], code[:, :CONTINUOUS], reduction="none", delta=_HUBER
    )
    move = (each.mean(1) * moved).sum() / moved.sum().clamp_min(1e-6)
    logits, count = output[:, CONTINUOUS:], weight.sum()
    told = (F.cross_entropy(logits, command, reduction="none") * weight).sum()
    if missed is not None:
        goes_on = torch.logsumexp(logits[:, :STOP], 1) - torch.logsumexp(logits, 1)
        told, count = told - (goes_on * missed).sum(), count + missed.sum()
    return move / _HUBER**2 + told / count.clamp_min(1e-6)


def best_proposal(
    score: Callable[[torch.Tensor], torch.Tensor],
    output: torch.Tensor,
    config: ProposalConfig,
    offsets: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best of the actions that a clone proposes.

    Args:
        score: Maps (batch, samples, 7) codes to (batch, samples) scores.
        output: (batch, k, 8) of `BehaviourPolicy`, for k tasks a state.
        config: Which actions.
        offsets: (batch, moves, 4) from the cloned moves, k moves or more; the first of each task
            counts as zero.

    Returns:
        (batch, 7) codes and (batch,) their scores.
    """
    batch, k = output.shape[:2]
    moves = offsets.shape[1] // k
    offsets = offsets[:, : k * moves].unflatten(1, (k, moves)).clone()
    offsets[:, :, 0] = 0.0
    mean = output[..., None, :CONTINUOUS].clamp(-1, 1)
    move = (mean + offsets).clamp(-1, 1)
    code = torch.zeros(batch, k, STOP, moves, CODE_SIZE, device=output.device)
    code[..., :CONTINUOUS] = move[:, :, None]
    code[:, :, 1, :, CLOSE] = code[:, :, 2, :, OPEN] = 1.0
    code = torch.cat([code.flatten(2, 3), terminate_code((batch, k, 1), output.device)], 2)
    likely = output[..., CONTINUOUS:].softmax(-1)
    likely = (likely >= config.least_probability) | (likely == likely.amax(-1, keepdim=True))
    allowed = torch.cat([likely[..., :STOP].repeat_interleave(moves, 2), likely[..., STOP:]], 2)
    code, allowed = code.flatten(1, 2), allowed.flatten(1)
    found, best = score(code).masked_fill(~allowed, -torch.inf).max(1)
    return code[torch.arange(batch, device=output.device), best], found
