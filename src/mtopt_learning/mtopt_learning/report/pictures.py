"""Pictures for a page: strips of an episode's frames, inlined as WebP."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from mtopt_spec.errors import InputError

FRAME_PX = 64
GAP_PX = 2
WEBP_QUALITY = 88


def data_uri(image_rgba: np.ndarray) -> str:
    """A `data:` address holding the (h, w, 4) uint8 RGBA picture as WebP."""
    done, encoded = cv2.imencode(
        ".webp",
        cv2.cvtColor(image_rgba, cv2.COLOR_RGBA2BGRA),
        [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY],
    )
    if not done:
        raise InputError(
            "picture", where="report", got=f"{image_rgba.shape}", expected="an encodable picture"
        )
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode()


def strip(groups: Sequence[Sequence[np.ndarray | None]], frame_px: int = FRAME_PX) -> np.ndarray:
    """Frames side by side on transparent ground.

    Args:
        groups: Groups of (h, w, 3) uint8 RGB frames, None for an empty place; between groups
            the gap is wider.
        frame_px: Height and width that every frame is scaled to.

    Returns:
        (frame_px, w, 4) uint8 RGBA.
    """
    columns: list[np.ndarray] = []
    for group in groups:
        for i, frame in enumerate(group):
            if columns:
                gap = GAP_PX if i else 4 * GAP_PX
                columns.append(np.zeros((frame_px, gap, 4), np.uint8))
            if frame is None:
                columns.append(np.zeros((frame_px, frame_px, 4), np.uint8))
                continue
            scaled = np.asarray(frame)
            if scaled.shape[:2] != (frame_px, frame_px):
                smaller = scaled.shape[0] > frame_px
                method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
                scaled = cv2.resize(scaled, (frame_px, frame_px), interpolation=method)
            opaque = np.full((frame_px, frame_px, 1), 255, np.uint8)
            columns.append(np.concatenate([scaled, opaque], axis=2))
    return np.concatenate(columns, axis=1)


def spread(first: int, last: int, count: int) -> list[int]:
    """At most `count` whole numbers from first to last, both ends included."""
    return sorted({int(round(i)) for i in np.linspace(first, last, count)})
