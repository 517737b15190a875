"""The delayed copies of a Q-network that targets are made with."""

from __future__ import annotations

import copy

import torch

from mtopt_learning.qlearn.two_stage import TwoStageQ


class TargetCopies:
    """An average of the weights, and that average some steps ago: QT-Opt, section 4.2.

    Attributes:
        average: The exponential average; it is also what acts.
        lagged: The average `lag_steps` to twice as many steps ago, or None.
        lagged_next: What `lagged` becomes next.
    """

    def __init__(self, online: TwoStageQ, lag_steps: int):
        self.average = frozen_copy(online)
        self.lagged: TwoStageQ | None = None
        self.lagged_next: TwoStageQ | None = None
        self.set_lag(lag_steps)

    def set_lag(self, lag_steps: int) -> None:
        """Keeps a lagged copy from now on, or none."""
        self._lag_steps = lag_steps
        if not lag_steps:
            self.lagged = self.lagged_next = None
        elif self.lagged is None:
            self.lagged, self.lagged_next = frozen_copy(self.average), frozen_copy(self.average)

    @property
    def networks(self) -> list[TwoStageQ]:
        """The copies whose smallest estimate counts; CEM searches on the first."""
        return [c for c in (self.average, self.lagged) if c is not None]

    @torch.no_grad()
    def move(self, online: TwoStageQ, step: int, polyak: float) -> None:
        """After gradient step `step` (1 for the first) the average takes `polyak` of the weights.

        It is faster at the start, so that it is not the untrained network for long.
        """
        share = max(polyak, 1.0 / step)
        torch._foreach_lerp_(list(self.average.parameters()), list(online.parameters()), share)
        if self._lag_steps and step % self._lag_steps == 0:
            self.lagged.load_state_dict(self.lagged_next.state_dict())
            self.lagged_next.load_state_dict(self.average.state_dict())


def frozen_copy(network: TwoStageQ) -> TwoStageQ:
    """A copy without gradients."""
    return copy.deepcopy(network).requires_grad_(False)
