"""What a network's first layer gets of a picture."""

from __future__ import annotations

import torch


def first_dtype(device: torch.device) -> torch.dtype:
    """That of autocast where it is on, else float32."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


def to_unit(image: torch.Tensor, gain: torch.Tensor | None = None) -> torch.Tensor:
    """(batch, 3, h, w) uint8 in 0 .. 255 to [-1, 1], channels last in memory.

    What is floating already (pictures that `distortion` made) is only laid out in memory.

    Args:
        image: The pictures.
        gain: (batch, 3, 1, 1) factors of their colours.
    """
    if image.dtype != torch.uint8:
        return image.contiguous(memory_format=torch.channels_last)
    n, channels, height, width = image.shape
    # Rows of h x (w * 3) numbers: a factor a channel is then a long vector, five times as fast.
    x = image.permute(0, 2, 3, 1).reshape(n, height, width * channels).to(first_dtype(image.device))
    if gain is None:
        x = x.mul_(2 / 255).sub_(1)
    else:
        factor = (gain[:, :, 0, 0] * (2 / 255)).to(x.dtype).repeat(1, width)[:, None]
        x = x.mul_(factor).sub_(1)
    return x.view(n, height, width, channels).permute(0, 3, 1, 2)


def centre_crop(image: torch.Tensor, height_px: int, width_px: int) -> torch.Tensor:
    """The middle of (batch, 3, h, w) pictures; a view."""
    top, left = (image.shape[2] - height_px) // 2, (image.shape[3] - width_px) // 2
    return image[..., top : top + height_px, left : left + width_px]
