"""Pictures of a data set as a network's input: on the device where they fit, else from the host."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch

from mtopt_learning.qlearn.distortion import middle

SHARE_OF_DEVICE = 0.6
"""Of the device's free memory, at most this much is given to pictures."""
_UPLOAD_BYTES = 1 << 28


class PictureStore:
    """Gives rows of a data set's pictures, already cut to what the network looks at.

    Attributes:
        input_px: Camera to (height, width) of the part that is given.

    Args:
        images: Camera to (n, h, w, 3) uint8, memory-mapped or not.
        input_px: Camera to (height, width) that the network looks at.
        device: Where the pictures are wanted.
    """

    def __init__(
        self,
        images: Mapping[str, np.ndarray],
        input_px: Mapping[str, tuple[int, int]],
        device: torch.device,
    ):
        self._images = {camera: np.asarray(images[camera]) for camera in input_px}
        self.input_px, self._device = dict(input_px), device

        self._resident: dict[str, torch.Tensor] = {}
        if device.type == "cuda":
            size = sum(image.nbytes for image in self._images.values())
            if size <= SHARE_OF_DEVICE * torch.cuda.mem_get_info(device)[0]:
                self._resident = {c: _upload(x, device) for c, x in self._images.items()}

    @property
    def resident(self) -> bool:
        """Whether all pictures lie on the device."""
        return bool(self._resident)

    def picture_px(self, camera: str) -> tuple[int, int]:
        """Height and width of a camera's pictures as stored."""
        return self._images[camera].shape[1:3]

    def take(
        self, rows: np.ndarray, offsets: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, torch.Tensor]:
        """Camera to (n, 3, h, w) uint8, channels last in memory, on the device.

        Args:
            rows: (n,) observations.
            offsets: Camera to (n, 2) top and left of the part that is cut out; what reaches over
                the edge repeats it. None: the middle.
        """
        return {
            camera: self.take_one(camera, rows, None if offsets is None else offsets[camera])
            for camera in self.input_px
        }

    def take_one(
        self, camera: str, rows: np.ndarray, offsets: np.ndarray | None = None
    ) -> torch.Tensor:
        """(n, 3, h, w) of one camera, as `take` gives them."""
        part = self.input_px[camera]
        if offsets is None:
            offsets = np.broadcast_to(middle(self.picture_px(camera), part), (len(rows), 2))
        if camera in self._resident:
            taken = take_resident(self._resident[camera], rows, offsets, part)
        else:
            taken = torch.from_numpy(cut(self._images[camera], rows, offsets, part))
            if self._device.type == "cuda":
                taken = taken.pin_memory().to(self._device, non_blocking=True)
        return taken.permute(0, 3, 1, 2)


def cut(
    images: np.ndarray, rows: np.ndarray, offsets: np.ndarray, part_px: tuple[int, int]
) -> np.ndarray:
    """(n, height, width, 3) parts of rows of `images`, as `PictureStore.take` describes."""
    size, (height, width) = images.shape[1:3], part_px
    if size == part_px and not offsets.any():
        return images[rows]
    out = np.empty((len(rows), height, width, 3), np.uint8)
    low = offsets.min(initial=0)
    high = (offsets + part_px - size).max(initial=0)
    border = int(max(-low, high, 0))
    for i, row in enumerate(rows):
        top, left = offsets[i]
        picture = images[row]
        if border:
            picture = cv2.copyMakeBorder(
                picture, border, border, border, border, cv2.BORDER_REPLICATE
            )
            top, left = top + border, left + border
        out[i] = picture[top : top + height, left : left + width]
    return out


def take_resident(
    images: torch.Tensor, rows: np.ndarray, offsets: np.ndarray, part_px: tuple[int, int]
) -> torch.Tensor:
    """The same as `cut`, of pictures that are tensors on a device."""
    index = torch.from_numpy(np.ascontiguousarray(rows)).to(images.device, non_blocking=True)
    if images.shape[1:3] == part_px and not offsets.any():
        return images[index]
    start = torch.from_numpy(np.ascontiguousarray(offsets)).to(images.device, non_blocking=True)
    y = start[:, :1] + torch.arange(part_px[0], device=images.device)
    x = start[:, 1:] + torch.arange(part_px[1], device=images.device)
    y, x = y.clamp(0, images.shape[1] - 1), x.clamp(0, images.shape[2] - 1)
    return images[index[:, None, None], y[:, :, None], x[:, None, :]]


def _upload(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copied in pieces, so that no second copy of all is made on the host."""
    out = torch.empty(image.shape, dtype=torch.uint8, device=device)
    rows = max(1, _UPLOAD_BYTES // max(1, image[0].nbytes))
    for first in range(0, len(image), rows):
        piece = np.ascontiguousarray(image[first : first + rows])
        out[first : first + rows].copy_(torch.from_numpy(piece))
    return out
