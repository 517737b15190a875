"""Labels a batch with Bellman targets, by the delayed copies of the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mtopt_learning.qlearn.cem import draw_noise, maximise
from mtopt_learning.qlearn.targets import (
    bellman_target,
    clipped_double,
    monte_carlo_bound,
    monte_carlo_return,
    value_at_limit,
)
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_learning.train.batches import Batch, proprioception, to_device
from mtopt_learning.train.config import TrainConfig
from mtopt_learning.train.picture_store import PictureStore
from mtopt_spec import seeds


def noise_of(config: TrainConfig, purpose: str, step: int) -> torch.Generator:
    """A generator that depends on the seed, the purpose and the step alone."""
    return torch.Generator().manual_seed(seeds.derive(config.seed, purpose, step))


def next_states(
    dataset, store: PictureStore, batch: Batch, config: TrainConfig, device: torch.device
) -> tuple[dict[str, torch.Tensor], torch.Tensor] | None:
    """Pictures and proprioception after the steps in `follow`; None where none is needed."""
    if config.backup == "monte_carlo" or not len(batch.follow):
        return None
    rows = batch.row[batch.follow] + 1
    return store.take(rows), to_device(proprioception(dataset, rows), device)


@torch.no_grad()
def targets(
    batch: Batch,
    seen: tuple[dict[str, torch.Tensor], torch.Tensor] | None,
    copies: Sequence[TwoStageQ],
    config: TrainConfig,
    noise: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of a batch.

    Args:
        batch: The steps, on the copies' device.
        seen: Of `next_states`.
        copies: Delayed copies; the smallest of their estimates counts, CEM searches on the first.
        config: Backup, discount, cost and search.
        noise: Of CEM.

    Returns:
        (n, k) targets, and the mean V(s').
    """
    states, tasks = batch.task.shape
    device = batch.task.device

    def column(x):
        return x[:, None].expand(states, tasks)

    recorded = monte_carlo_return(
        batch.success, column(batch.steps_to_go), column(batch.truncated_episode),
        config.gamma, config.step_cost,
    )  # fmt: skip
    if config.backup == "monte_carlo":
        return recorded, recorded.mean()
    value = torch.zeros(states, tasks, device=device)
    mean = torch.zeros((), device=device)
    if seen is not None:
        follow = torch.from_numpy(batch.follow).to(device, non_blocking=True)
        embedded = [(c, c.embed(*seen)) for c in copies]
        task = batch.task[follow]
        if config.backup == "sarsa":
            next_action = batch.next_action[follow].repeat_interleave(tasks, 0)[:, None]
            found = _value(embedded, task.flatten(), next_action, tasks).view(-1, tasks)
            if len(batch.limit):
                at = torch.from_numpy(batch.limit).to(device, non_blocking=True)
                some = [(c, embedding[at]) for c, embedding in embedded]
                found[at] = _search(some, task[at], config, noise)
        else:
            found = _search(embedded, task, config, noise)
        value[follow] = found
        mean = found.mean()
    value = torch.where(column(batch.cut_off), value_at_limit(batch.success, value), value)
    target = bellman_target(
        batch.success, column(batch.terminal), value, config.gamma, config.step_cost
    )
    if config.lower_bound:
        target = monte_carlo_bound(target, recorded)
    return target, mean


def _search(embedded, task: torch.Tensor, config: TrainConfig, noise) -> torch.Tensor:
    """(states, tasks) clipped V at the action that CEM finds on the first copy."""
    states, tasks = task.shape
    first, embedding = embedded[0]
    wide, flat = embedding.repeat_interleave(tasks, 0), task.flatten()
    normal, uniform = (
        x.to(task.device, non_blocking=True) for x in draw_noise(len(flat), config.cem, noise)
    )
    action, _ = maximise(
        lambda code: first.q(wide, flat, code), len(flat), config.cem, normal, uniform
    )
    return _value(embedded, flat, action[:, None], tasks).view(states, tasks)


def _value(embedded, task, action, tasks: int) -> torch.Tensor:
    """(states * tasks,) clipped double Q of one action each, over all copies and heads."""
    return clipped_double(
        *[
            c.q(embedding.repeat_interleave(tasks, 0), task, action)[:, 0]
            for c, embedding in embedded
        ]
    )
