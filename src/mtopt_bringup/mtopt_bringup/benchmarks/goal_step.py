"""What the actions that nobody took cost: a step that learns goals, with and without them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

_WARM_STEPS = 5


def goal_step_cost(dataset, tasks, config, steps: int, rounds: int) -> dict:
    """Times steps with and without negatives; both take turns, so that load meets both alike.

    Args:
        dataset: A `Dataset`.
        tasks: Of the cell.
        config: With goals and a weight of their negatives.
        steps: Of each round.
        rounds: Of both; each gives one ratio.

    Returns:
        `step_ms`, `without_negatives_ms`: medians; `negatives_share`: of a step, the median of the
        rounds' ratios, and `negatives_share_spread`, the least and the largest of them; it is
        below 0 where noise is larger than the cost.
    """
    from mtopt_learning.train.trainer import Trainer

    bare = replace(config, goals=replace(config.goals, negative_weight=0.0))
    trainers = [Trainer(tasks, dataset.cameras, one) for one in (config, bare)]
    try:
        for trainer in trainers:
            trainer.set_data(dataset)
            seconds_of(trainer, _WARM_STEPS)
        spent = np.array([[seconds_of(t, steps) for t in trainers] for _ in range(rounds)])
    finally:
        for trainer in trainers:
            trainer.close()
    share = 1 - spent[:, 1] / spent[:, 0]
    step_ms, bare_ms = 1e3 * np.median(spent, 0) / steps
    return {
        "step_ms": float(step_ms),
        "without_negatives_ms": float(bare_ms),
        "negatives_share": round(float(np.median(share)), 4),
        "negatives_share_spread": [round(float(x), 4) for x in (share.min(), share.max())],
    }


def seconds_of(trainer, steps: int, ready=None) -> float:
    """Wall time of some steps on the batches that come, or all on one that is ready."""
    import torch

    begun = time.perf_counter()
    for _ in range(steps):
        trainer.gradient_step(ready)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter() - begun
