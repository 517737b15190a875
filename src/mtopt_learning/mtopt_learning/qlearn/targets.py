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


def bellman_target(
    label: torch.Tensor,
    terminal: torch.Tensor,
    next_value: torch.Tensor,
    gamma: float,
    step_cost: float,
) -> torch.Tensor:
    """The target r + γ V(s'), in [0, 1]: QT-Opt (arXiv 1806.10293), section 4.1.

    Args:
        label: Success of the episode's last state; read where `terminal`.
        terminal: bool, the step terminated the episode.
        next_value: V(s'); unread where `terminal`.
        gamma: Discount a step.
        step_cost: Subtracted each step, not negative.
    """
    target = torch.where(terminal, label, gamma * next_value)
    return (target - step_cost).clamp(0.0, 1.0)


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
    cost = step_cost * (1 - gamma ** steps.to(label.dtype)) / (1 - gamma) if step_cost else 0.0
    return (discount * label - cost).clamp(0.0, 1.0)


def monte_carlo_bound(target: torch.Tensor, recorded_return: torch.Tensor) -> torch.Tensor:
    """A target that is not below what was really reached from there."""
    return torch.maximum(target, recorded_return)
