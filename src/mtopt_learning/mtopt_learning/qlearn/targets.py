"""Bellman targets: pure functions on tensors, each equation once.

Time of an episode with T steps: states s_0 .. s_T, actions a_0 .. a_{T-1}; the judgement of s_T
is its label in [0, 1], one a task. Ending by *terminate* is part of the task: the reward of the
last step is the label and nothing follows. A time limit is not: what would have followed s_T
is worth what could still be done there, and that is at least the label, since the policy could
have terminated.
"""

from __future__ import annotations

import torch

BACKUPS = ("sarsa", "cem_max", "monte_carlo")
"""What V(s') is: Q of the recorded next action, Q of CEM's action (as published), or no Q at all
but the recorded outcome."""


def clipped_double(*copies: torch.Tensor) -> torch.Tensor:
    """The smallest of several estimates: QT-Opt (arXiv 1806.10293), section 4.3."""
    return torch.stack(copies).amin(0)


def value_at_limit(label: torch.Tensor, bootstrap: torch.Tensor) -> torch.Tensor:
    """V of a truncated episode's last state: its own label, or better what follows."""
    return torch.maximum(label, bootstrap)


def highest_target(terminal: torch.Tensor, gamma: float, step_cost: float) -> torch.Tensor:
    """The most that a step can be worth, so that no estimate lifts a target above it.

    With a cost c a step, terminating in success is worth 1 - c; any other step has at best that
    after it, and is worth γ (1 - c) - c. The least is 0, since Q is the sigmoid of a logit.

    Args:
        terminal: bool, the step terminated the episode.
        gamma: Discount a step.
        step_cost: c, not negative.
    """
    end = 1.0 - step_cost
    other = gamma * end - step_cost
    return torch.where(terminal, end, max(other, 0.0)).to(torch.float32)


def bellman_target(
    label: torch.Tensor,
    terminal: torch.Tensor,
    next_value: torch.Tensor,
    gamma: float,
    step_cost: float,
) -> torch.Tensor:
    """The target r + γ V(s'), from 0 to `highest_target`: QT-Opt (arXiv 1806.10293), section 4.1.

    Args:
        label: Success of the episode's last state; read where `terminal`.
        terminal: bool, the step terminated the episode.
        next_value: V(s'); unread where `terminal`.
        gamma: Discount a step.
        step_cost: Subtracted each step, not negative.
    """
    target = torch.where(terminal, label, gamma * next_value)
    highest = highest_target(terminal, gamma, step_cost)
    return torch.minimum((target - step_cost).clamp_min(0.0), highest)


def monte_carlo_return(
    label: torch.Tensor,
    steps_to_go: torch.Tensor,
    truncated_episode: torch.Tensor,
    gamma: float,
    step_cost: float,
) -> torch.Tensor:
    """What the recorded episode brought from here on, in [0, 1].

    Args:
        label: Success of the episode's last state.
        steps_to_go: Recorded steps from this one to the last, this one included (1 or more).
        truncated_episode: bool; a truncated episode could have terminated one step later.
        gamma: Discount a step.
        step_cost: Subtracted each step.
    """
    steps = steps_to_go + truncated_episode.to(steps_to_go.dtype)
    discount = gamma ** (steps - 1).to(label.dtype)
    steps = steps.to(label.dtype)
    cost = step_cost * (steps if gamma == 1 else (1 - gamma**steps) / (1 - gamma))
    return (discount * label - cost).clamp(0.0, 1.0)


def monte_carlo_bound(target: torch.Tensor, recorded_return: torch.Tensor) -> torch.Tensor:
    """A target that is not below what was really reached from there."""
    return torch.maximum(target, recorded_return)
