"""What every Q-network offers: pictures once a state, task and action late and cheap."""

from __future__ import annotations

import torch
from torch import nn

from mtopt_learning.qlearn.affordance import AffordanceScores


class TwoStageQ(nn.Module):
    """Q(state, task, action) in two stages: `embed` once a state, `logits` once a sample.

    Attributes:
        config: The network's settings; `tasks` and `multi_head` are among them.
        cuts_pictures: Whether pictures larger than `input_px` are cut in the middle; else they must
            be of that size.
    """

    cuts_pictures = False

    @property
    def input_px(self) -> dict[str, tuple[int, int]]:
        """Camera to (height, width) of the part of its picture that the network looks at."""
        raise NotImplementedError

    @property
    def goal_cameras(self) -> tuple[str, ...]:
        """Whose pictures a goal is, see `TrunkConfig`; empty: the network knows no goals."""
        return getattr(self.config, "goal_cameras", ())

    @property
    def proposes(self) -> bool:
        """Whether a cloned policy to goals proposes actions: the network has a `behaviour`."""
        return getattr(self.config, "behaviour", False)

    @property
    def proposes_tasks(self) -> bool:
        """Whether it proposes actions of tasks, too."""
        return bool(getattr(self.config, "proposers", ()))

    @property
    def goal_task(self) -> int:
        """The index that stands for reaching the goal, where others stand for a task."""
        return self.config.tasks

    def embed(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        goal: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """A state's embedding, before any task or action.

        Args:
            images: Camera to (batch, 3, h, w): uint8, or floating in about [-1, 1] where
                `distortion` prepared them.
            state: (batch, 7) float32 proprioception.
            goal: Of `Trunk.prepare_goal`, a row a state, of a network that knows goals.

        Returns:
            (batch, size): one row a state, so that rows can be picked and repeated.
        """
        raise NotImplementedError

    def embed_and_map(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        goal: dict[str, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, AffordanceScores | None]:
        """The embedding, and the affordance map of a network that has one."""
        return self.embed(images, state, goal), None

    def logits(
        self, embedding: torch.Tensor, task: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """Logits of Q.

        Args:
            embedding: (batch, size), of `embed`.
            task: (batch,) int64.
            action: (batch, samples, 7) codes.

        Returns:
            (heads, batch, samples) float32.
        """
        raise NotImplementedError

    def q(self, embedding: torch.Tensor, task: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """(batch, samples) the smallest Q of the heads, in [0, 1]: clipped double Q."""
        return torch.sigmoid(self.logits(embedding, task, action)).amin(0)

    def output_of(self, outputs: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """(heads, batch, samples) of (heads, batch, samples, outputs): each row's own output."""
        if not self.config.multi_head:
            return outputs[..., 0]
        index = task.view(1, -1, 1, 1).expand(*outputs.shape[:3], 1)
        return outputs.gather(3, index)[..., 0]
