"""The small multi-task Q-network, for pictures of 32 to 128 pixels.

QT-Opt (arXiv 1806.10293, section 4.2) joins the action to the image features half-way, so that
the many actions which CEM tries cost little; MT-Opt (arXiv 2104.08212, section V) adds the task
as a one-hot input and keeps one output for all tasks. Here the pictures end in a vector, and task
and action join it in dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.actions import CODE_SIZE
from mtopt_learning.qlearn.pictures import to_unit
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec.observation import STATE_SIZE

STATE_SCALE = (1.0, 1.0, 5.0, 5.0, 8.0, 1.0, 1.0)
"""Brings the tool's position (m) to the order of one."""


@dataclass(frozen=True)
class TowerConfig:
    """Convolutions over one camera's picture.

    Attributes:
        camera: Its name in an observation.
        height_px, width_px: The picture's size.
        channels, kernels, strides: One each a layer; all three of one length.
        features: Size of the tower's output.
    """

    camera: str
    height_px: int
    width_px: int
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    features: int = 128


@dataclass(frozen=True)
class NetworkConfig:
    """The Q-network.

    Attributes:
        tasks: Number of tasks.
        towers: One a camera.
        embedding: Size of a state's embedding.
        hidden: Width of the layers that join embedding, task and action.
        layers: How many such layers each head has.
        heads: Independent Q heads on one embedding; two for clipped double Q.
        multi_head: Instead of the task as an input, each head has one output a task (the
            ablation of MT-Opt); one output for all tasks otherwise.
    """

    tasks: int
    towers: tuple[TowerConfig, ...]
    embedding: int = 256
    hidden: int = 128
    layers: int = 2
    heads: int = 2
    multi_head: bool = False


def default_network(
    tasks: int, cameras: dict[str, tuple[int, int]], multi_head: bool = False
) -> NetworkConfig:
    """Small towers for pictures of 32 to 128 pixels; trains in minutes on a processor.

    Args:
        tasks: Number of tasks.
        cameras: Camera name to (height, width) of its picture, px.
        multi_head: One output a task instead of the task as an input.
    """
    towers = []
    for camera, (height, width) in cameras.items():
        if max(height, width) > 48:
            channels, kernels, strides = (32, 64, 64), (8, 3, 3), (4, 2, 2)
        else:
            channels, kernels, strides = (32, 48, 64), (4, 3, 3), (2, 2, 1)
        towers.append(TowerConfig(camera, height, width, channels, kernels, strides))
    return NetworkConfig(tasks, tuple(towers), multi_head=multi_head)


class Tower(nn.Module):
    """(batch, 3, h, w) → (batch, features)."""

    def __init__(self, config: TowerConfig):
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        before = 3
        for channels, kernel, stride in zip(
            config.channels, config.kernels, config.strides, strict=True
        ):
            padding = (kernel - 1) // 2
            layers += [nn.Conv2d(before, channels, kernel, stride, padding), nn.ReLU(inplace=True)]
            before = channels
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            size = self.convolutions(torch.zeros(1, 3, config.height_px, config.width_px)).numel()
        self.project = nn.Linear(size, config.features)

    def forward(self, image: torch.Tensor, gain: torch.Tensor | None = None) -> torch.Tensor:
        """Takes (batch, 3, h, w), as `to_unit` does; gives (batch, features)."""
        x = self.convolutions(to_unit(image, gain))
        return torch.relu(self.project(x.flatten(1)))


class QHead(nn.Module):
    """(…, embedding), (…, action code) → (…, outputs) logits of success."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.from_state = nn.Linear(config.embedding, config.hidden)
        self.from_action = nn.Linear(CODE_SIZE, config.hidden, bias=False)
        self.layers = nn.ModuleList(
            nn.Linear(config.hidden, config.hidden) for _ in range(config.layers - 1)
        )
        self.logit = nn.Linear(config.hidden, config.tasks if config.multi_head else 1)
        nn.init.constant_(self.logit.bias, -1.0)

    def forward(self, joined: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Joins (batch, 1, embedding) with (batch, samples, 7); gives (batch, samples, outputs)."""
        x = torch.relu(self.from_state(joined) + self.from_action(action))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.logit(x)


class QNetwork(TwoStageQ):
    """The small network; an embedding is (batch, embedding)."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.towers = nn.ModuleDict({tower.camera: Tower(tower) for tower in config.towers})
        self.from_proprioception = nn.Linear(STATE_SIZE, 64)
        features = sum(tower.features for tower in config.towers) + 64
        self.join = nn.Linear(features, config.embedding)
        if not config.multi_head:
            self.task_gate = nn.Linear(config.tasks, config.embedding, bias=False)
            self.task_shift = nn.Linear(config.tasks, config.embedding, bias=False)
            nn.init.normal_(self.task_gate.weight, std=0.3)
            nn.init.normal_(self.task_shift.weight, std=0.3)
        self.heads = nn.ModuleList(QHead(config) for _ in range(config.heads))
        self.register_buffer("state_scale", torch.tensor(STATE_SCALE), persistent=False)

    @property
    def input_px(self) -> dict[str, tuple[int, int]]:
        """Each tower's picture."""
        return {t.camera: (t.height_px, t.width_px) for t in self.config.towers}

    def embed(self, images: dict[str, torch.Tensor], state: torch.Tensor) -> torch.Tensor:
        """(batch, embedding)."""
        parts = [tower(images[camera]) for camera, tower in self.towers.items()]
        parts.append(torch.relu(self.from_proprioception(state * self.state_scale)))
        return torch.relu(self.join(torch.cat(parts, -1)))

    def logits(
        self, embedding: torch.Tensor, task: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """(heads, batch, samples) float32."""
        if self.config.multi_head:
            joined = embedding[:, None]
        else:  # one-hot times a matrix, as a look-up
            gate = 1 + self.task_gate.weight.T[task]
            joined = torch.relu(embedding * gate + self.task_shift.weight.T[task])[:, None]
        outputs = torch.stack([head(joined, action) for head in self.heads]).float()
        return self.of_task(outputs, task)
