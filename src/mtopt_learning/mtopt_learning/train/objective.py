"""The loss of one labelled batch."""

from __future__ import annotations

import torch

from mtopt_learning.qlearn.actions import CODE_SIZE, terminate_code
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.affordance_losses import first_picture_loss
from mtopt_learning.qlearn.behaviour import BehaviourPolicy, clone_loss
from mtopt_learning.qlearn.losses import bellman_loss, conservative_loss
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.batches import Batch, Transitions
from mtopt_learning.train.config import TrainConfig

TERMINATE_WEIGHT = 0.5


def losses(
    online: TwoStageQ,
    embedding: torch.Tensor,
    batch: Batch,
    target: torch.Tensor,
    config: TrainConfig,
    noise: torch.Generator,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss, and figures without gradients.

    Args:
        online: The network that learns.
        embedding: (n + m, size) of the batch's states, then of its last states.
        batch: The steps.
        target: (n, k) of `labelling.targets`.
        config: Which parts count how much.
        noise: Of the actions that the penalty draws.
    """
    states, tasks = batch.task.shape
    device = embedding.device
    of_steps = embedding[:states].repeat_interleave(tasks, 0)
    action = batch.action.repeat_interleave(tasks, 0)[:, None]
    logits = online.logits(of_steps, batch.task.flatten(), action)[..., 0]
    loss = bellman_loss(logits, target.flatten(), batch.weight.flatten())
    report = {"loss": loss, "q": torch.sigmoid(logits.detach()).mean()}
    if config.terminate_states:
        k = batch.judged_task.shape[1]
        stop = terminate_code((batch.judged_task.numel(), 1), device)
        end_logits = online.logits(
            embedding[states:].repeat_interleave(k, 0), batch.judged_task.flatten(), stop
        )[..., 0]
        end_loss = bellman_loss(
            end_logits, batch.judged_success.flatten(), batch.judged_weight.flatten()
        )
        loss = loss + TERMINATE_WEIGHT * end_loss
        report["terminate_loss"] = end_loss
    if config.conservative_weight:
        unseen = random_actions(states, config.conservative_samples, noise).to(device)
        chance = torch.rand(states, generator=noise).to(device)
        penalty = conservative_loss(
            online.logits(embedding[:states], batch.task[:, 0], unseen), chance
        )
        loss = loss + config.conservative_weight * penalty
        report["conservative_loss"] = penalty
    return loss, {key: item.detach() for key, item in report.items()}


def map_loss(scores: AffordanceScores, first: AffordanceScores, batch: Transitions) -> torch.Tensor:
    """The loss of an affordance map: what first pictures show, and that later ones show it still.

    Args:
        scores: Of the batch's states, or of more.
        first: Of the first pictures of the first steps' episodes.
        batch: The steps.
    """
    counts = batch.weight * (batch.success >= 0.5) * batch.acts[:, None]
    return first_picture_loss(
        scores, first, batch.task, batch.acted_m, batch.acted_azimuth, batch.closes, counts,
        batch.as_first,
    )  # fmt: skip


def cloning_loss(
    policy: BehaviourPolicy,
    pictures: dict[str, torch.Tensor],
    state: torch.Tensor,
    first: torch.Tensor | None,
    batch: Transitions,
    map_weight: float,
) -> torch.Tensor:
    """The loss of a policy that clones the steps of successes, each for the first of its tasks.

    Args:
        policy: What learns.
        pictures: Camera to pictures of the batch's states, or of more.
        state: Proprioception of as many.
        first: First pictures of the first steps' episodes; None: there is no map to be taught.
        batch: The steps.
        map_weight: Of the loss of its map.
    """
    n = len(batch.row)
    seen, task = {camera: image[:n] for camera, image in pictures.items()}, batch.task[:, 0]
    output, scores = policy(seen, state[:n], task)
    loss = clone_loss(output, batch.action, batch.weight[:, 0] * (batch.success[:, 0] >= 0.5))
    if first is not None:
        loss = loss + map_weight * map_loss(scores, policy.look(first), batch)
    return loss


def random_actions(states: int, samples: int, noise: torch.Generator) -> torch.Tensor:
    """(states, samples, 7) codes: uniform moves, gripper commands as often as nothing."""
    code = torch.zeros(states, samples, CODE_SIZE)
    code[..., :4] = torch.rand(states, samples, 4, generator=noise) * 2 - 1
    code[:, ::2, :4] *= 0.4  # half of them small: hovering is what an untaught Q falls for
    command = torch.randint(0, 4, (states, samples), generator=noise)
    code[..., 4] = (command == 2).float()
    code[..., 5] = (command == 3).float()
    return code
