"""The learner's coordinates of an action: seven numbers that a network and CEM work on."""

from __future__ import annotations

import torch

from mtopt_spec.action import MAX_AZIMUTH_RAD, MAX_TRANSLATION_M

CODE_SIZE = 7
"""Translation / 0.06 m (3) and turn / 0.3 rad in [-1, 1]; flags close, open, terminate."""
CONTINUOUS = 4
CLOSE, OPEN, TERMINATE = 4, 5, 6


def encode(vector: torch.Tensor) -> torch.Tensor:
    """(..., 7) code of (..., 8) recorded action vectors.

    Where *terminate* is set all else is zero: the arm does nothing more, so there is one such
    action.
    """
    move = vector[..., :3] / MAX_TRANSLATION_M
    turn = torch.atan2(vector[..., 3], vector[..., 4])[..., None] / MAX_AZIMUTH_RAD
    code = torch.cat([move.clamp(-1, 1), turn.clamp(-1, 1), vector[..., 5:8]], -1)
    stop = code[..., TERMINATE:] > 0.5
    only_stop = torch.zeros_like(code)
    only_stop[..., TERMINATE] = 1.0
    return torch.where(stop, only_stop, code)


def decode(code: torch.Tensor) -> torch.Tensor:
    """(..., 8) action vectors of (..., 7) codes, the flags rounded."""
    move = code[..., :3].clamp(-1, 1) * MAX_TRANSLATION_M
    turn = code[..., 3].clamp(-1, 1) * MAX_AZIMUTH_RAD
    flags = (code[..., CLOSE:] > 0.5).to(code.dtype)
    return torch.cat([move, torch.sin(turn)[..., None], torch.cos(turn)[..., None], flags], -1)


def terminate_code(shape: tuple[int, ...], device=None) -> torch.Tensor:
    """(*shape, 7) codes of the action *terminate*."""
    code = torch.zeros(*shape, CODE_SIZE, device=device)
    code[..., TERMINATE] = 1.0
    return code
