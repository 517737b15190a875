"""JPEG for observations: one setting, so that a policy acts on the bytes that it was trained on."""

from __future__ import annotations

import cv2
import numpy as np

from mtopt_spec.errors import InputError

# An observation's pictures are small: a second thread would spin, waiting for its next few rows.
cv2.setNumThreads(1)

JPEG_QUALITY = 95
_ENCODE = [
    cv2.IMWRITE_JPEG_QUALITY,
    JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]


def encode_jpeg(image_hwc_u8: np.ndarray) -> bytes:
    """JPEG bytes (quality 95, 4:4:4) of an (h, w, 3) uint8 RGB picture."""
    if image_hwc_u8.dtype != np.uint8 or image_hwc_u8.ndim != 3 or image_hwc_u8.shape[2] != 3:
        raise InputError(
            "image",
            where="encode_jpeg",
            got=f"{image_hwc_u8.dtype} {image_hwc_u8.shape}",
            expected="uint8 (h, w, 3) RGB",
        )
    return cv2.imencode(".jpg", cv2.cvtColor(image_hwc_u8, cv2.COLOR_RGB2BGR), _ENCODE)[1].tobytes()


def decode_jpeg(data: bytes) -> np.ndarray:
    """(h, w, 3) uint8 RGB of JPEG bytes.

    Raises:
        InputError: The bytes are no picture.
    """
    image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image_bgr is None:
        raise InputError(
            "image", where="decode_jpeg", got=f"{len(data)} undecodable bytes", expected="a JPEG"
        )
    return cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
