"""Where a run computes, and in which precision."""

from __future__ import annotations

import torch

from mtopt_spec.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA where there is one.

    Raises:
        InputError: CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError(
            "device", where="training", got="cuda", expected="a CUDA device of this torch build",
            todo="use --device auto, or install torch for CUDA",
        )  # fmt: skip
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def processor_has_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here."""
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def device_has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on this device."""
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else processor_has_bf16()


def autocast(device: torch.device, bf16: bool) -> torch.autocast:
    """Computes in bfloat16 where that is wanted and faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 and device_has_bf16(device))
