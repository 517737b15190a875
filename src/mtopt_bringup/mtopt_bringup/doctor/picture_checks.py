"""Is a picture sharp and well exposed?"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtopt_bringup.doctor.checks import Check, judged
from mtopt_control.camera.frame import to_size
from mtopt_spec.errors import InputError

MIN_SHARPNESS = 20.0
"""Variance of the Laplacian of 8-bit grey values, at 64 px height."""
SATURATED, DARK = 250, 5
MAX_SATURATED, MAX_DARK = 0.05, 0.25
MEAN_RANGE = (30.0, 225.0)
_HEIGHT_PX = 64


def sharpness(image_hwc_u8: np.ndarray) -> float:
    """Variance of the Laplacian, of the picture as small as a policy sees it.

    A bigger picture of the same scene is smoother a pixel: at one height, cameras compare.
    """
    grey = cv2.cvtColor(image_hwc_u8, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if height > _HEIGHT_PX:
        size = (round(width * _HEIGHT_PX / height), _HEIGHT_PX)
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def exposure(image_hwc_u8: np.ndarray) -> dict[str, float]:
    """Mean of the grey values, share of saturated and of black pixels."""
    grey = cv2.cvtColor(image_hwc_u8, cv2.COLOR_RGB2GRAY)
    return {
        "mean": float(grey.mean()),
        "saturated": float((grey >= SATURATED).mean()),
        "dark": float((grey <= DARK).mean()),
    }


def check_pictures(
    name: str, images_hwc_u8: Sequence[np.ndarray], size_px: tuple[int, int]
) -> Check:
    """Sharpness and exposure, medians over pictures, and the ratio of an observation's.

    Args:
        name: Of the check.
        images_hwc_u8: Pictures of one camera.
        size_px: Height and width of its picture in an observation.
    """
    sharp = float(np.median([sharpness(image) for image in images_hwc_u8]))
    shown = [exposure(image) for image in images_hwc_u8]
    figures = {key: float(np.median([one[key] for one in shown])) for key in shown[0]}
    problems = []
    if sharp < MIN_SHARPNESS:
        problems.append(f"blurred: sharpness below {MIN_SHARPNESS:g}, set the focus")
    if figures["saturated"] > MAX_SATURATED:
        problems.append(f"overexposed: more than {100 * MAX_SATURATED:g} % saturated")
    if figures["dark"] > MAX_DARK or figures["mean"] < MEAN_RANGE[0]:
        problems.append("underexposed")
    elif figures["mean"] > MEAN_RANGE[1]:
        problems.append("too bright")
    height, width = images_hwc_u8[-1].shape[:2]
    try:
        to_size(images_hwc_u8[-1], *size_px, where=name)
    except InputError as error:
        problems.append(str(error))
    return judged(
        name, problems,
        f"{width}x{height} px, sharpness {sharp:.0f}, mean {figures['mean']:.0f}, "
        f"{100 * figures['saturated']:.1f} % saturated, {100 * figures['dark']:.1f} % black",
        sharpness=sharp, width_px=width, height_px=height, **figures,
    )  # fmt: skip
