"""Random changes of light and place, so that a network does not learn a picture by heart.

QT-Opt (arXiv 1806.10293, appendix E) cuts its pictures at random places and changes brightness,
contrast, saturation and hue. In RGB each of these is an affine map of a pixel's colour (saturation
as a mixture with the grey of equal luma, hue as a turn in the chroma plane, contrast round the
picture's mean), so all together cost one 3 x 3 matrix and one offset a picture. The draws are
made on the processor: the same generator gives the same ones for every device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from mtopt_learning.qlearn.pictures import first_dtype, to_unit
from mtopt_spec.errors import InputError

_LUMA = (0.299, 0.587, 0.114)
# ITU-R BT.601 luma and the two chroma axes of YIQ.
_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class DistortionConfig:
    """How strongly pictures of training are changed; 0 leaves a change out.

    Attributes:
        gain: Spread of the factors of colour: one a picture, and half as much one a channel.
        brightness: Largest shift, in units of white. Published: 0.125.
        contrast: Largest deviation of the factor round the picture's mean. Published: 0.5.
        saturation: Largest deviation of the factor of colourfulness. Published: 0.5.
        hue: Largest turn of the colour circle, in turns. Published: 0.2.
        shift_px: Largest shift of tasks' pictures along each axis; its edge is repeated. A network
            that looks at a part of the picture gets that part from anywhere, besides.
        goal_shift, goal_turn_rad: Of goal pictures by cameras that move with the gripper: largest
            shift, as a share of the picture, and turn; its edge is repeated. What is put down
            again never lies under the gripper as it did in the goal, and a network that learns
            from its own episodes alone would wait for the very same picture.
    """

    gain: float = 0.08
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    shift_px: int = 0
    goal_shift: float = 0.12
    goal_turn_rad: float = 0.5

    def __post_init__(self):
        for name, value in vars(self).items():
            if not 0 <= value < {"shift_px": 64, "goal_turn_rad": math.pi}.get(name, 1):
                raise InputError(name, where="distortion", got=value, expected="small, 0 or more")

    @property
    def photometric(self) -> bool:
        """Whether more than the gain changes colours."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))


PUBLISHED = DistortionConfig(gain=0.0, brightness=0.125, contrast=0.5, saturation=0.5, hue=0.2)


@dataclass(frozen=True)
class Light:
    """One change of light a picture.

    Attributes:
        gain: (n, 3, 1, 1) factors, or None.
        matrix: (n, 3, 3) of saturation and hue, on RGB columns; None where colours keep all this.
        brightness: (n, 3) shift, in units of white.
        contrast: (n, 3) factor round the mean.
    """

    gain: torch.Tensor | None = None
    matrix: torch.Tensor | None = None
    brightness: torch.Tensor | None = None
    contrast: torch.Tensor | None = None

    def first(self, count: int) -> Light:
        """Those of the first pictures."""
        return Light(**{k: v[:count] for k, v in vars(self).items() if v is not None})

    def to(self, device: torch.device) -> Light:
        """On a device."""
        moved = {k: v.to(device) for k, v in vars(self).items() if v is not None}
        return Light(**moved)


def draw_light(count: int, config: DistortionConfig, generator: torch.Generator) -> Light:
    """Changes of light for `count` pictures."""
    gain = None
    if config.gain:
        noise = torch.randn(count, 4, 1, 1, generator=generator)
        gain = 1 + config.gain * (noise[:, :1] + 0.5 * noise[:, 1:])
    if not config.photometric:
        return Light(gain)
    spread = torch.rand(count, 4, generator=generator) * 2 - 1
    return Light(
        gain,
        colour_matrix(1 + config.saturation * spread[:, 0], config.hue * spread[:, 1]),
        (config.brightness * spread[:, 2:3]).expand(-1, 3),
        (1 + config.contrast * spread[:, 3:]).expand(-1, 3),
    )


def colour_matrix(saturation: torch.Tensor, hue_turns: torch.Tensor) -> torch.Tensor:
    """(n, 3, 3) maps of RGB columns: first saturation, then hue; grey stays as it is.

    Args:
        saturation: (n,) factor; 0 gives grey, 1 changes nothing.
        hue_turns: (n,) turn of the chroma plane; 1 is the whole circle.
    """
    grey = torch.tensor(_LUMA).expand(3, 3)
    identity = torch.eye(3)
    saturate = grey + saturation[:, None, None] * (identity - grey)
    angle = 2 * math.pi * hue_turns
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], -1).view(-1, 3, 3)
    to_yiq = torch.tensor(_TO_YIQ)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq @ saturate


def lit(image_u8: torch.Tensor, light: Light) -> torch.Tensor:
    """Pictures in another light.

    Args:
        image_u8: (n, 3, h, w).
        light: One change a picture, on the same device.

    Returns:
        (n, 3, h, w) in [-1, 1] (where only the gain changes them: about that), in the type that
        autocast asks for, channels last in memory.
    """
    if light.matrix is None:
        return to_unit(image_u8, light.gain)
    n, _, height, width = image_u8.shape
    dtype = first_dtype(image_u8.device)
    with torch.autocast(image_u8.device.type, enabled=False):
        pixels = image_u8.permute(0, 2, 3, 1).reshape(n, height * width, 3).to(dtype)
        matrix = light.matrix
        if light.gain is not None:
            matrix = matrix * light.gain[:, None, :, 0, 0]
        mean = torch.einsum("nij,nj->ni", matrix, pixels.mean(1, dtype=torch.float32) / 255)
        mean = mean + light.brightness
        offset = light.brightness * light.contrast + mean * (1 - light.contrast)
        # From 0 .. 255 to [-1, 1].
        scaled = (matrix * light.contrast[..., None] * (2 / 255)).transpose(1, 2)
        pixels = torch.baddbmm((offset * 2 - 1)[:, None].to(dtype), pixels, scaled.to(dtype))
        return pixels.clamp_(-1, 1).view(n, height, width, 3).permute(0, 3, 1, 2)


def seen_elsewhere(
    images_u8: dict[str, torch.Tensor],
    cameras: Sequence[str],
    config: DistortionConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Pictures of which some cameras' are seen from elsewhere: see `goal_shift`.

    Args:
        images_u8: Camera to (n, 3, h, w).
        cameras: Whose pictures are changed, where there are any.
        config: By how much.
        generator: On the processor, of the draws.
    """
    if not (config.goal_shift or config.goal_turn_rad):
        return images_u8
    changed = {}
    for camera in filter(images_u8.__contains__, cameras):
        image = images_u8[camera]
        spread = torch.rand(len(image), 3, generator=generator) * 2 - 1
        angle = config.goal_turn_rad * spread[:, 0]
        cos, sin, (x, y) = angle.cos(), angle.sin(), 2 * config.goal_shift * spread[:, 1:].T
        rows = torch.stack([cos, -sin, x, sin, cos, y], -1).view(-1, 2, 3).to(image.device)
        with torch.autocast(image.device.type, enabled=False):
            grid = F.affine_grid(rows, image.shape, align_corners=False)
            moved = F.grid_sample(image.float(), grid, padding_mode="border", align_corners=False)
        changed[camera] = moved.round().to(torch.uint8)
    return {**images_u8, **changed}


def goal_in_light(
    images_u8: dict[str, torch.Tensor],
    cameras: Sequence[str],
    light: Light,
    config: DistortionConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Goal pictures in the light of their states, some seen from elsewhere: see both."""
    seen = seen_elsewhere(images_u8, cameras, config, generator)
    return {camera: lit(image, light) for camera, image in seen.items()}


def draw_offsets(
    count: int,
    picture_px: tuple[int, int],
    part_px: tuple[int, int],
    shift_px: int,
    random: np.random.Generator,
) -> np.ndarray:
    """(count, 2) top and left of the parts that are looked at; they may reach over the edge.

    Args:
        count: Number of pictures.
        picture_px: Their height and width.
        part_px: Height and width of the part.
        shift_px: How far a part may reach over the edge.
        random: Of the draws.
    """
    room = np.array(picture_px) - part_px + shift_px
    return random.integers(-shift_px, room + 1, (count, 2))


def middle(picture_px: tuple[int, int], part_px: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the part in the middle."""
    return (picture_px[0] - part_px[0]) // 2, (picture_px[1] - part_px[1]) // 2
