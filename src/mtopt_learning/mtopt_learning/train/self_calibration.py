"""Which place of the bin a fixed camera's pixel shows, roughly, from the data alone."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from mtopt_learning.qlearn.affordance import AffordanceMap
from mtopt_learning.train.batches import proprioception
from mtopt_learning.train.picture_store import PictureStore
from mtopt_spec import seeds
from mtopt_spec.interfaces import EndReason
from mtopt_spec.observation import TOOL_XY

_STEPS = 2000
_PORTION_PX = 1 << 20
"""Pixels of pictures that are looked at together: 2000 of 640x480 would take 10 GB."""
_CHANGED = 30
"""Sum over the colours by which a pixel has moved, not only flickered."""
_LEAST_EXPLAINED = 0.3
_log = logging.getLogger(__name__)


def calibrate_map(networks: Sequence[nn.Module], dataset, store: PictureStore, seed: int) -> None:
    """Gives a new network, its copies and their policies to goals their maps' first places.

    Networks without a map and those that have their places are left as they are. Warns where the
    camera seems to move, or to see nothing.
    """
    camera = getattr(networks[0].config, "map_camera", "")
    if not camera or networks[0].map.calibrated:
        return
    random = seeds.generator(seed, "self_calibration")
    linear, explained = place_of_pixels(dataset, store, camera, random)
    if explained < _LEAST_EXPLAINED:
        _log.warning(
            "affordance map: what moves in the pictures of %s explains %.0f %% of the gripper's "
            "place, expected %.0f %% or more of a fixed camera; if it moves with the gripper or "
            "sees nothing, leave the map out: affordance_weight 0",
            camera, 100 * explained, 100 * _LEAST_EXPLAINED,
        )  # fmt: skip
    for network in networks:
        for part in network.modules():
            if isinstance(part, AffordanceMap):
                part.calibrate(torch.from_numpy(linear))


def place_of_pixels(
    dataset, store: PictureStore, camera: str, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Fits the tool's place to the middle of what moves between two pictures: that is the arm.

    The arm's links pull the middle away from the tool, so this is a first guess, right in its
    directions and within a factor of two in its scale.

    Args:
        dataset: A `Dataset`.
        store: Its pictures.
        camera: A camera that does not move with the gripper.
        random: Draws the steps.

    Returns:
        (3, 2) float32 coefficients of x and y in the bin's frame, m, over 1, u, v of
        `affordance.quadratic`; and the share of the tool's variance that they explain, 0 to 1:
        near 0 for a camera that moves, 0 for one that never sees anything move.
    """
    drawable = np.flatnonzero(dataset.episode_reason != EndReason.FAULT)
    episode = random.choice(drawable, _STEPS)
    step = (random.random(_STEPS) * dataset.episode_steps[episode]).astype(np.int64)
    row = dataset.episode_start[episode] + step
    portions = np.array_split(row, -(-_STEPS * math.prod(store.input_px[camera]) // _PORTION_PX))
    found = [_middles_of_motion(store, camera, portion) for portion in portions]
    moves, u, v = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not moves.any():
        return np.zeros((3, 2), np.float32), 0.0
    tool = proprioception(dataset, row[moves])[:, TOOL_XY].numpy()
    terms = np.stack([np.ones_like(u), u, v], -1)
    fitted, *_ = np.linalg.lstsq(terms, tool, rcond=None)
    spread = ((tool - tool.mean(0)) ** 2).sum()
    explained = 1 - ((terms @ fitted - tool) ** 2).sum() / max(spread, 1e-9)
    return fitted.astype(np.float32), float(np.clip(explained, 0, 1))


def _middles_of_motion(
    store: PictureStore, camera: str, row: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What moves between pictures and the next ones: (n,) whether anything does; u, v where so."""
    before, after = (
        store.take_one(camera, r).cpu().numpy().astype(np.int16) for r in (row, row + 1)
    )
    red, green, blue = np.moveaxis(abs(before - after), 1, 0)
    moved = (red + green + blue).astype(np.float32)
    moved[moved < _CHANGED] = 0
    moves = moved.sum((1, 2)) > 0
    moved = moved[moves] / moved[moves].sum((1, 2), keepdims=True)
    height, width = moved.shape[1:]
    u = moved.sum(1) @ np.linspace(1 / width - 1, 1 - 1 / width, width, dtype=np.float32)
    v = moved.sum(2) @ np.linspace(1 / height - 1, 1 - 1 / height, height, dtype=np.float32)
    return moves, u, v
