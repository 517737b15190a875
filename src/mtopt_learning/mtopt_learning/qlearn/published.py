"""The published Q-network: about 1.2 million weights, 472 x 472 pictures of one camera.

QT-Opt (arXiv 1806.10293), appendix E and figure 12, with MT-Opt's task as one more block beside
state and action (arXiv 2104.08212, section V). Seven convolutions see the picture once a state;
action, state and task are added to every cell of the last map, and nine convolutions more follow
for each action that CEM tries.

One thing differs: the published network normalises over the batch, this one over groups of
channels of each picture. Here the second half gets recorded, ending and random actions in batches
of their own, whose statistics differ; and a target copy needs none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mtopt_learning.qlearn.pictures import centre_crop, to_unit
from mtopt_learning.qlearn.two_stage import TwoStageQ
from mtopt_spec.errors import InputError

CHANNELS = 64
JOINT = 256
"""Width in which the blocks of action, state and task are summed."""
ACTION_BLOCKS = ((0, 3), (3, 4), (4, 5), (5, 6), (6, 7))
"""Translation, turn, close, open, terminate: a linear layer each."""
STATE_BLOCKS = ((0, 1), (1, 2), (2, 5), (5, 7))
"""Gripper closed, its opening, the tool's position, its azimuth."""
_GROUPS = 8
_LEAST_CROP_PX = 218  # leaves one cell of the last map


@dataclass(frozen=True)
class PublishedConfig:
    """The published network.

    Attributes:
        tasks: Number of tasks.
        camera: Whose pictures it sees.
        crop_px: Side of the square that is cut out of them: at random in training, from the
            middle else. 472 of 512 x 640 as published.
        multi_head: One output a task instead of the task as an input.
    """

    tasks: int
    camera: str
    crop_px: int = 472
    multi_head: bool = False

    def __post_init__(self):
        if self.crop_px < _LEAST_CROP_PX:
            raise InputError(
                "crop_px", where="published network", got=self.crop_px,
                expected=f"{_LEAST_CROP_PX} or more", todo="use the small network",
            )  # fmt: skip


def published_network(
    tasks: int, cameras: dict[str, tuple[int, int]], multi_head: bool = False
) -> PublishedConfig:
    """The published network on the first camera.

    Args:
        tasks: Number of tasks.
        cameras: Camera name to (height, width) of its picture, px.
        multi_head: One output a task instead of the task as an input.

    Raises:
        InputError: The camera's pictures are smaller than the crop.
    """
    camera, size = next(iter(cameras.items()))
    config = PublishedConfig(tasks, camera, multi_head=multi_head)
    if min(size) < config.crop_px:
        raise InputError(
            f"pictures of {camera}", where="published network", got=f"{size[0]}x{size[1]}",
            expected=f"{config.crop_px}x{config.crop_px} or more (512x640 as published)",
            todo="record and build the data set with larger pictures, or use the small network",
        )  # fmt: skip
    return config


class PublishedQNetwork(TwoStageQ):
    """An embedding is (batch, 64 h w + 256): the picture's map, then the state's sum of blocks."""

    cuts_pictures = True

    def __init__(self, config: PublishedConfig):
        super().__init__()
        self.config = config
        # 472 -> 236 -> 79, then 27 after the second pool.
        first = [nn.Conv2d(3, CHANNELS, 6, 2, 2), nn.GroupNorm(_GROUPS, CHANNELS), nn.ReLU()]
        self.picture = nn.Sequential(
            *first, _pool(3), *(_convolution(5, 2) for _ in range(6)), _pool(3)
        )
        # 27 -> 14, then 12, 10, 8 without padding.
        self.merged = nn.Sequential(
            *(_convolution(3, 1) for _ in range(6)), _pool(2), *(_convolution(3, 0) for _ in "123")
        )
        self.action_blocks = _blocks(ACTION_BLOCKS)
        self.state_blocks = _blocks(STATE_BLOCKS)
        if not config.multi_head:
            self.task_block = nn.Linear(config.tasks, JOINT, bias=False)
        self.joint = nn.Sequential(
            nn.LayerNorm(JOINT), nn.ReLU(), nn.Linear(JOINT, CHANNELS), nn.ReLU()
        )
        with torch.no_grad():
            picture = torch.zeros(1, 3, config.crop_px, config.crop_px, device="meta")
            shape = _shape(self.picture, picture)
            self.map_px = shape[2]
            last = _shape(self.merged, torch.zeros(shape, device="meta"))
        self.dense = nn.Sequential(
            nn.Linear(CHANNELS * last[2] * last[3], 64), nn.LayerNorm(64), nn.ReLU(),
            nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(),
        )  # fmt: skip
        self.logit = nn.Linear(64, config.tasks if config.multi_head else 1)
        nn.init.constant_(self.logit.bias, -1.0)

    @property
    def input_px(self) -> dict[str, tuple[int, int]]:
        """The square that is cut out."""
        return {self.config.camera: (self.config.crop_px, self.config.crop_px)}

    def embed(self, images: dict[str, torch.Tensor], state: torch.Tensor) -> torch.Tensor:
        """(batch, 64 h w + 256)."""
        crop = self.config.crop_px
        x = self.picture(to_unit(centre_crop(images[self.config.camera], crop, crop)))
        state_sum = _sum(self.state_blocks, STATE_BLOCKS, state)
        return torch.cat([x.permute(0, 2, 3, 1).flatten(1), state_sum.to(x.dtype)], 1)

    def logits(
        self, embedding: torch.Tensor, task: torch.Tensor, action: torch.Tensor
    ) -> torch.Tensor:
        """(1, batch, samples) float32."""
        batch, samples = action.shape[:2]
        side = self.map_px
        seen = embedding[:, :-JOINT].reshape(batch, side, side, CHANNELS).permute(0, 3, 1, 2)
        joint = embedding[:, None, -JOINT:] + _sum(self.action_blocks, ACTION_BLOCKS, action)
        if not self.config.multi_head:
            joint = joint + self.task_block.weight.T[task][:, None]
        joint = self.joint(joint)
        x = (seen[:, None] + joint[..., None, None].to(seen.dtype)).flatten(0, 1)
        x = self.merged(x.contiguous(memory_format=torch.channels_last))
        outputs = self.logit(self.dense(x.flatten(1))).float().view(1, batch, samples, -1)
        return self.output_of(outputs, task)


def _convolution(kernel: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, kernel, 1, padding),
        nn.GroupNorm(_GROUPS, CHANNELS),
        nn.ReLU(),
    )


def _pool(size: int) -> nn.MaxPool2d:
    """A cell at the edge that is not full counts too, as published."""
    return nn.MaxPool2d(size, size, ceil_mode=True)


def _blocks(parts) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(last - first, JOINT) for first, last in parts)


def _sum(blocks: nn.ModuleList, parts, x: torch.Tensor) -> torch.Tensor:
    return sum(
        block(x[..., first:last]) for block, (first, last) in zip(blocks, parts, strict=True)
    )


def _shape(module: nn.Module, x: torch.Tensor) -> torch.Size:
    """Of what a module gives, without computing it."""
    return torch.func.functional_call(
        module, {k: v.to("meta") for k, v in module.named_parameters()}, x
    ).shape
