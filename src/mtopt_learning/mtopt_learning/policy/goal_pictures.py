"""Goal pictures as a policy's network takes them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.interfaces import PolicyRequest

_KEPT = 64


class GoalPictures:
    """What a network makes of goal pictures, kept for the next steps of their episodes.

    Args:
        network: With `prepare_goal`, see `Trunk`.
        cameras: Whose pictures a goal is; none: the network knows no goals.
        sizes: Camera to (height, width), px.
    """

    def __init__(self, network, cameras: Sequence[str], sizes: Mapping[str, tuple[int, int]]):
        self._cameras, self._sizes, self._network = tuple(cameras), sizes, network
        self._prepared: Callable[..., dict] = functools.lru_cache(_KEPT)(self._prepare)

    def check(self, request: PolicyRequest) -> None:
        """Refuses (`InputError`) the goal of a request that the network cannot see."""
        where, got = f"ChooseAction of {request.robot}", sorted(request.goal.images_jpeg)
        if not self._cameras:
            raise InputError(
                "goal", where=where, got=f"pictures of {got}", expected="a task",
                todo="serve a checkpoint that was trained to reach goals",
            )  # fmt: skip
        if not set(self._cameras) <= set(got):
            raise InputError(
                "goal's cameras", where=where, got=got,
                expected=f"pictures of {sorted(self._cameras)}",
            )  # fmt: skip
        self._of(request)

    def rows(self, requests: Sequence[PolicyRequest]) -> dict[str, torch.Tensor] | None:
        """Prepared goals, a row a request, blank for a task; None where nobody has a goal."""
        found = [None if request.goal is None else self._of(request) for request in requests]
        some = next((goal for goal in found if goal is not None), None)
        if some is None:
            return None
        return {
            camera: torch.cat([torch.zeros_like(x) if g is None else g[camera] for g in found])
            for camera, x in some.items()
        }

    def _of(self, request: PolicyRequest) -> dict[str, torch.Tensor]:
        return self._prepared(*(request.goal.images_jpeg[camera] for camera in self._cameras))

    @torch.inference_mode()
    def _prepare(self, *images_jpeg: bytes) -> dict[str, torch.Tensor]:
        pictures = {}
        for camera, data in zip(self._cameras, images_jpeg, strict=True):
            what = f"goal picture of {camera}"
            image = decode_picture(data, self._sizes[camera], what, "ChooseAction")
            pictures[camera] = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
        return self._network.prepare_goal(pictures)


def decode_picture(data: bytes, size_px: tuple[int, int], what: str, where: str) -> np.ndarray:
    """(h, w, 3) uint8 of a JPEG; `InputError` if it is none or of another size."""
    image = decode_jpeg(data) if data else np.zeros((0, 0, 3), np.uint8)
    if image.shape != (*size_px, 3):
        raise InputError(
            what, where=where, got=f"{image.shape[0]}x{image.shape[1]}",
            expected=f"{size_px[0]}x{size_px[1]} (height x width), as the checkpoint's",
        )  # fmt: skip
    return image
