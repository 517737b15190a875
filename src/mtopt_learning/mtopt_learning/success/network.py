"""The success detector's network: an episode's last state → a logit a task.

MT-Opt (arXiv 2104.08212), section IV.B: one network for all tasks. The image part is shared and the
task picks the output, so that one evaluation judges every task.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.tower import Tower, TowerConfig
from mtopt_learning.qlearn.trunk import STATE_SCALE
from mtopt_spec.observation import STATE_SIZE


@dataclass(frozen=True)
class DetectorConfig:
    """The detector.

    Attributes:
        tasks: Number of tasks.
        towers: One a camera.
        hidden: Width of the layer before the outputs.
        dropout: Share of its units that training leaves out.
        first_image: Whether an episode's first pictures are an input, too.
    """

    tasks: int
    towers: tuple[TowerConfig, ...]
    hidden: int = 128
    dropout: float = 0.2
    first_image: bool = False


def default_detector(
    tasks: int, cameras: dict[str, tuple[int, int]], first_image: bool = False
) -> DetectorConfig:
    """Small towers, but finer ones than the Q-function's: it looks once an episode."""
    towers = []
    for camera, (height, width) in cameras.items():
        first = (5, 2) if max(height, width) > 48 else (3, 1)
        towers.append(
            TowerConfig(
                camera,
                height,
                width,
                (16, 32, 48, 64),
                (first[0], 3, 3, 3),
                (first[1], 2, 2, 2),
                64,
            )
        )
    return DetectorConfig(tasks, tuple(towers), first_image=first_image)


class DetectorNetwork(nn.Module):
    """Pictures and proprioception of a last state → (batch, tasks) logits."""

    def __init__(self, config: DetectorConfig):
        super().__init__()
        self.config = config
        self.towers = nn.ModuleDict({tower.camera: Tower(tower) for tower in config.towers})
        self.from_proprioception = nn.Linear(STATE_SIZE, 32)
        features = (1 + config.first_image) * sum(t.features for t in config.towers) + 32
        self.hidden = nn.Linear(features, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.logits = nn.Linear(config.hidden, config.tasks)
        self.register_buffer("state_scale", torch.tensor(STATE_SCALE), persistent=False)

    def forward(
        self,
        images: dict[str, torch.Tensor],
        state: torch.Tensor,
        gain: torch.Tensor | None = None,
        first: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Logits of success.

        Args:
            images: Camera to (batch, 3, h, w) uint8.
            state: (batch, 7) float32.
            gain: (batch, 3, 1, 1) factors of colour, for augmentation.
            first: Like `images`, of the episodes' first states; needed with `first_image`.
        """
        return self.judge(self.embed(images, state, gain, first))

    def embed(self, images, state, gain=None, first=None) -> torch.Tensor:
        """(batch, hidden) what the network makes of a state; the arguments are `forward`'s."""
        seen = (images, first) if self.config.first_image else (images,)
        parts = [tower(one[c], gain) for one in seen for c, tower in self.towers.items()]
        parts.append(torch.relu(self.from_proprioception(state * self.state_scale)))
        return torch.relu(self.hidden(torch.cat(parts, -1)))

    def judge(self, embedding: torch.Tensor) -> torch.Tensor:
        """(batch, hidden) to (batch, tasks) logits."""
        return self.logits(self.dropout(embedding)).float()
