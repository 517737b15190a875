"""A picture on its way to the observation: right encoding, right size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtopt_spec.errors import InputError

ENCODINGS = ("rgb8", "bgr8")


@dataclass(frozen=True)
class Frame:
    """A picture from a source.

    Attributes:
        image_hwc_u8: (h, w, 3) uint8 RGB.
        stamp_s: When it was taken, by the source's clock; None where the source has none.
        frame_id: Of the camera; empty where the source has none.
    """

    image_hwc_u8: np.ndarray
    stamp_s: float | None = None
    frame_id: str = ""


def from_raw(data, *, height: int, width: int, step: int, encoding: str, where: str) -> np.ndarray:
    """(h, w, 3) uint8 RGB of the fields of a `sensor_msgs/Image`.

    Raises:
        InputError: An encoding other than rgb8 or bgr8, or sizes that contradict the data.
    """
    if encoding not in ENCODINGS:
        raise InputError(
            "image encoding",
            where=where,
            got=repr(encoding),
            expected=f"one of {ENCODINGS}",
            todo="set the driver's output encoding",
        )
    flat = np.frombuffer(data, np.uint8)
    if not height or not width or step < 3 * width or flat.size != height * step:
        raise InputError(
            "image size",
            where=where,
            got=f"{flat.size} bytes for height {height}, width {width}, step {step}",
            expected="height * step bytes, step at least 3 * width",
        )
    image = flat.reshape(height, step)[:, : 3 * width].reshape(height, width, 3)
    return image if encoding == "rgb8" else image[..., ::-1]


def to_size(image_hwc_u8: np.ndarray, height_px: int, width_px: int, *, where: str) -> np.ndarray:
    """The picture at the observation's size, averaged over areas.

    Raises:
        InputError: Its sides have another ratio: it would be distorted.
    """
    height, width, _ = image_hwc_u8.shape
    if (height, width) == (height_px, width_px):
        return np.ascontiguousarray(image_hwc_u8)
    if abs(height * width_px - width * height_px) > max(height_px, width_px):
        raise InputError(
            "image size",
            where=where,
            got=f"{height} x {width} px (height x width)",
            expected=f"the ratio of {height_px} x {width_px} px",
            todo="crop in the driver, or set height_px and width_px of camera_node to its ratio",
        )
    return cv2.resize(
        np.ascontiguousarray(image_hwc_u8), (width_px, height_px), interpolation=cv2.INTER_AREA
    )
