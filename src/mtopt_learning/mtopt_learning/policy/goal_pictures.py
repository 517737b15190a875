"""Goal pictures as a policy's network takes them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

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
        camera: Whose pictures goals are; empty: the network knows no goals.
        cameras: Camera name to (height, width), px.
    """

    def __init__(self, network, camera: str, cameras: dict[str, tuple[int, int]]):
        self._camera = camera
        self._size = cameras.get(camera)
        self._network = network
        self._prepared: Callable[[bytes], torch.Tensor] = functools.lru_cache(_KEPT)(self._prepare)

    def check(self, request: PolicyRequest) -> None:
        """Refuses (`InputError`) the goal of a request that the network cannot see."""
        where = f"ChooseAction of {request.robot}"
        if not self._camera:
            raise InputError(
                "goal", where=where, got=request.goal.camera, expected="a task",
                todo="serve a checkpoint that was trained to reach goals",
            )  # fmt: skip
        if request.goal.camera != self._camera:
            raise InputError(
                "goal's camera", where=where, got=repr(request.goal.camera), expected=self._camera
            )
        self._prepared(request.goal.image_jpeg)

    def rows(self, requests: Sequence[PolicyRequest]) -> torch.Tensor | None:
        """(requests, ...) prepared goals, blank for a task; None where nobody has a goal."""
        found = [r.goal and self._prepared(r.goal.image_jpeg) for r in requests]
        some = next((goal for goal in found if goal is not None), None)
        if some is None:
            return None
        return torch.cat([torch.zeros_like(some) if goal is None else goal for goal in found])

    @torch.inference_mode()
    def _prepare(self, image_jpeg: bytes) -> torch.Tensor:
        image = decode_picture(image_jpeg, self._size, "goal picture", "ChooseAction")
        return self._network.prepare_goal(torch.from_numpy(image)[None].permute(0, 3, 1, 2))


def decode_picture(data: bytes, size_px: tuple[int, int], what: str, where: str) -> np.ndarray:
    """(h, w, 3) uint8 of a JPEG; `InputError` if it is none or of another size."""
    image = decode_jpeg(data) if data else np.zeros((0, 0, 3), np.uint8)
    if image.shape != (*size_px, 3):
        raise InputError(
            what, where=where, got=f"{image.shape[0]}x{image.shape[1]}",
            expected=f"{size_px[0]}x{size_px[1]} (height x width), as the checkpoint's",
        )  # fmt: skip
    return image
