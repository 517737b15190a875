"""Actionable Models (arXiv 2104.07749): a Q-function of goal pictures, from episodes alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mtopt_learning.qlearn.actions import terminate_code
from mtopt_learning.qlearn.affordance import AffordanceScores
from mtopt_learning.qlearn.affordance_losses import first_picture_loss, place_loss
from mtopt_learning.qlearn.behaviour import clone_loss
from mtopt_learning.qlearn.distortion import Light, goal_in_light, lit
from mtopt_learning.qlearn.losses import bellman_loss, conservative_loss
from mtopt_learning.qlearn.targets import clipped_double
from mtopt_learning.qlearn.trunk import Trunk
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.goal_batches import GoalBatch
from mtopt_learning.train.objective import TERMINATE_WEIGHT, random_actions


def goal_target(
    value: torch.Tensor,
    reaches: torch.Tensor,
    carries_on: torch.Tensor,
    chained: torch.Tensor,
    steps_to_go: torch.Tensor,
    gamma: float,
    lower_bound: bool,
) -> torch.Tensor:
    """The target of Actionable Models, equations 2 and 4.

    1 where the next state is the goal; where a chained sub-sequence ends its own Q, so that
    value comes in from episodes that go on from there; else γ Q of the next state. Q of a state is
    that of the recorded action there, where the paper takes the policy's expectation.

    Args:
        value: (n,) Q of the state and action that `GoalBatch.following` names.
        reaches: (n,) bool, the next state is the goal.
        carries_on: (n,) bool, a chained sub-sequence ends here.
        chained: (n,) bool, the goal is of another episode.
        steps_to_go: (n,) recorded steps to the goal.
        gamma: Discount a step.
        lower_bound: The recorded way to a hindsight goal, γ^(steps - 1), is the least it is worth.
    """
    target = torch.where(carries_on, value, gamma * value)
    target = torch.where(reaches, torch.ones_like(target), target)
    if lower_bound:
        recorded = torch.where(chained, 0.0, gamma ** (steps_to_go - 1).clamp_min(0).float())
        target = torch.maximum(target, recorded.to(target.dtype))
    return target


@torch.no_grad()
def goal_targets(
    batch: GoalBatch, copies: Sequence[TwoStageQ], config: TrainConfig
) -> torch.Tensor:
    """(n,) targets, by the delayed copies."""
    n, found = len(batch.action), []
    task = torch.full((n,), copies[0].goal_task, device=batch.state.device)
    for copy in copies:
        goal = copy.prepare_goal({camera: image[:n] for camera, image in batch.goal.items()})
        embedding = copy.embed(batch.following, batch.following_state, goal)
        found.append(copy.q(embedding, task, batch.following_action[:, None])[:, 0])
    return goal_target(
        clipped_double(*found), batch.reaches, batch.carries_on, batch.chained,
        batch.steps_to_go, config.gamma, config.goals.lower_bound,
    )  # fmt: skip


def goal_losses(
    online: TwoStageQ,
    batch: GoalBatch,
    target: torch.Tensor,
    light: Light,
    config: TrainConfig,
    noise: torch.Generator,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss, and figures without gradients; one of which a batch has none is left out.

    Args:
        online: The network that learns.
        batch: Steps with goals.
        target: (n,) of `goal_targets`.
        light: Changes of light, one a state and its goal: they are of one place.
        config: Which parts count how much.
        noise: Of the actions that the penalty draws, and of where goals are seen from.
    """
    goals, device = config.goals, batch.state.device
    n, every_state = len(target), len(batch.state)
    m = (every_state - n) // 2
    pictures = {camera: lit(image, light) for camera, image in batch.pictures.items()}
    view = online.config.moving_cameras, light, config.distortion, noise
    shown = None
    if goals.blank_share:
        shown = torch.ones(every_state, dtype=torch.bool)
        shown[:n] = torch.rand(n, generator=noise) >= goals.blank_share
        shown = shown.to(device)
    goal = _blanked(online.prepare_goal(goal_in_light(batch.goal, *view)), shown)
    embedding, scores = online.embed_and_map(pictures, batch.state, goal)
    task = torch.full((every_state,), online.goal_task, device=device)
    steps, every = embedding[:n], torch.ones(n, device=device)
    logits = online.logits(steps, task[:n], batch.action[:, None])[..., 0]
    loss = bellman_loss(logits, target, every)
    q = torch.sigmoid(logits.detach()).amin(0)
    parts = {"q_hindsight": q[~batch.chained], "q_chained": q[batch.chained]}
    report = {"goal_loss": loss, **{name: part.mean() for name, part in parts.items() if len(part)}}
    if m:
        stop = terminate_code((every_state, 1), device)
        end_logits = online.logits(embedding, task, stop)[..., 0]
        there = torch.zeros(every_state, device=device)
        there[n : n + m] = 1
        away = batch.away.float()
        each = torch.full((2 * m,), 1 / m, device=device)
        weight = torch.cat([away / away.sum().clamp_min(1), each])
        end_loss = bellman_loss(end_logits, there, weight)
        loss = loss + TERMINATE_WEIGHT * end_loss
        report["goal_terminate_loss"] = end_loss
    if online.proposes and goals.behaviour_weight:
        ends = _blanked(online.prepare_goal(goal_in_light(batch.end, *view)), shown)
        output, of_ends = online.behaviour(pictures, batch.state, task, ends)
        cloned = clone_loss(output, *batch.to_clone())
        report["behaviour_loss"] = cloned
        if of_ends is not None and config.affordance_weight:
            first = look_at_first(online.behaviour, batch, light, ends)
            seen = goal_map_loss(of_ends, first, batch, online.goal_task, batch.end_m, shown)
            cloned = cloned + config.affordance_weight * seen
            report["behaviour_affordance_loss"] = seen
        loss = loss + goals.behaviour_weight * cloned
    if goals.negative_weight:
        unseen = random_actions(n, goals.negative_samples, noise).to(device)
        chance = torch.rand(n, generator=noise).to(device)
        penalty = conservative_loss(
            online.logits(steps, task[:n], unseen), chance, goals.negative_temperature
        )
        loss = loss + goals.negative_weight * penalty
        report["negative_loss"] = penalty
    if scores is not None and config.affordance_weight:
        first = look_at_first(online, batch, light, goal)
        known = (~batch.chained).float()
        seen = goal_map_loss(scores, first, batch, online.goal_task, batch.goal_m, shown, known)
        loss = loss + config.affordance_weight * seen
        report["goal_affordance_loss"] = seen
    return loss, {key: item.detach() for key, item in report.items()}


def _blanked(goal: dict[str, torch.Tensor], shown: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Goals, each blank that is not shown: what a task's are. None: all are shown."""
    if shown is None:
        return goal
    return {
        camera: torch.where(shown.view(-1, *[1] * (x.dim() - 1)), x, 0)
        for camera, x in goal.items()
    }


def look_at_first(
    network: Trunk, batch: GoalBatch, light: Light, goal: dict[str, torch.Tensor]
) -> AffordanceScores:
    """The map of the first pictures of the first steps' episodes, each in its step's light.

    Args:
        network: A trunk with a map.
        batch: Steps with goals.
        light: Changes of light, one a state.
        goal: Of `prepare_goal`, a row a state.
    """
    count = len(batch.first)
    return network.look(
        lit(batch.first, light.first(count)), {camera: x[:count] for camera, x in goal.items()}
    )


def goal_map_loss(
    scores: AffordanceScores,
    first: AffordanceScores,
    batch: GoalBatch,
    goal: int,
    shown_m: torch.Tensor,
    shown: torch.Tensor | None = None,
    known: torch.Tensor | None = None,
) -> torch.Tensor:
    """The loss of what maps tell of goals, as `objective.map_loss` of tasks: first pictures learn
    where the gripper closes on the way to the goal, later ones to tell the same; and all of them
    where the goal's picture shows it.

    Args:
        scores: Of the batch's states.
        first: Of `look_at_first`.
        batch: Steps with goals.
        goal: Which map is of where the gripper closes; the next one is of the goal's picture.
        shown_m: (m, 2) where it is in the goals' pictures.
        shown: (m,) bool, the goal is no blank picture; None: all are shown.
        known: (n,) 1 where the way to the goal is known, else 0; None: it is of all.
    """
    closes = batch.closes if known is None else batch.closes * known
    which = torch.full((len(shown_m), 1), goal, device=shown_m.device)
    loss = first_picture_loss(
        scores, first, which, batch.closed_m, batch.closed_azimuth, batch.closes, closes[:, None],
        batch.untouched,
    )  # fmt: skip
    if scores.score.shape[1] > goal + 1:
        counts = torch.ones_like(shown_m[:, :1]) if shown is None else shown[:, None].float()
        loss = loss + place_loss(scores, which + 1, shown_m, counts)
    return loss
