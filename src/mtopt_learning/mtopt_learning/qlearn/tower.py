"""Convolutions over one camera's picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.pictures import to_unit


@dataclass(frozen=True)
class TowerConfig:
    """Its sizes.

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


class Tower(nn.Module):
    """(batch, 3, h, w) → (batch, features); with `pair`, of two pictures of that shape."""

    def __init__(self, config: TowerConfig, pair: bool = False):
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        before = channels_in = 6 if pair else 3
        for channels, kernel, stride in zip(
            config.channels, config.kernels, config.strides, strict=True
        ):
            padding = (kernel - 1) // 2
            layers += [nn.Conv2d(before, channels, kernel, stride, padding), nn.ReLU(inplace=True)]
            before = channels
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            size = self.convolutions(
                torch.zeros(1, channels_in, config.height_px, config.width_px)
            ).numel()
        self.project = nn.Linear(size, config.features)

    def forward(self, image: torch.Tensor, gain: torch.Tensor | None = None) -> torch.Tensor:
        """Takes (batch, 3, h, w), as `to_unit` does; gives (batch, features)."""
        return self.with_layers(image, gain)[0]

    def with_layers(
        self,
        image: torch.Tensor,
        gain: torch.Tensor | None = None,
        second: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The same, and each layer's (batch, channels, rows, columns).

        Args:
            image: As for `forward`.
            gain: As for `to_unit`.
            second: (batch, 3, h, w) in [-1, 1], of a pair.
        """
        x = to_unit(image, gain)
        if second is not None:
            x = torch.cat([x, second.to(x.dtype)], 1)
        layers = []
        for layer in self.convolutions:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                layers.append(x)
        return torch.relu(self.project(x.flatten(1))), layers
