"""Settings of training from a YAML file."""

from __future__ import annotations

from pathlib import Path

import yaml

from mtopt_learning.checkpoint.configuration import from_plain, to_plain
from mtopt_learning.train.config import TrainConfig
from mtopt_spec.errors import InputError


def read_settings(path: Path, config: TrainConfig) -> TrainConfig:
    """The configuration with what the file names, nested settings included.

    Args:
        path: YAML by the names of `TrainConfig`.
        config: What holds where the file is silent.

    Raises:
        InputError: The file cannot be read, a name is unknown or a value is refused.
    """
    try:
        wanted = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError("settings", where=path, got=str(error), expected="a YAML file") from error
    if not isinstance(wanted, dict):
        raise InputError(
            "settings", where=path, got=type(wanted).__name__, expected="names and values"
        )
    return from_plain(TrainConfig, merged(to_plain(config), wanted), path)


def merged(plain: dict, wanted: dict) -> dict:
    """Plain settings with what is wanted; nested ones keep what is not named."""
    out = dict(plain)
    for key, value in wanted.items():
        nested = isinstance(value, dict) and isinstance(plain.get(key), dict)
        out[key] = merged(plain[key], value) if nested else value
    return out
