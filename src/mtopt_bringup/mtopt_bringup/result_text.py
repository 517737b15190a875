"""A command's result, for a program or for a person."""

from __future__ import annotations

import json
import math

import yaml

_DIGITS = 4
"""Of a number that a person reads."""


def as_json(result: object) -> str:
    """One line."""
    return json.dumps(finite(result)) + "\n"


def as_text(result: object) -> str:
    """YAML; the innermost lists and tables in a line each, numbers to four digits."""
    return yaml.safe_dump(
        _rounded(finite(result)), sort_keys=False, default_flow_style=None, width=100,
        allow_unicode=True,
    )  # fmt: skip


def finite(value):
    """The same value with NaN and infinity as null: JSON has neither. Exit codes are left out."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items() if key != "exit_code"}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
