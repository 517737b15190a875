"""The simulator's parameters, read from `params/sim.yaml`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from mtopt_spec.errors import InputError


@dataclass(frozen=True)
class SimParams:
    """What a world file does not say; units and meanings stand in `params/sim.yaml`."""

    arm_stiffness: tuple[float, ...]
    arm_damping: tuple[float, ...]
    arm_armature: tuple[float, ...]
    finger_stiffness: float
    finger_damping: float
    hinge_stiffness: float
    hinge_damping: float
    hinge_rate: float
    impratio: float
    solver_iterations: int
    solver_tolerance: float
    sleep_tolerance: float
    drop_radius_m: float
    drop_height_m: float
    drop_spacing_m: float
    settle_s: float
    randomise_friction: float
    randomise_colour: float
    randomise_light: float
    randomise_camera_m: float
    randomise_camera_rad: float


_LISTS = ("arm_stiffness", "arm_damping", "arm_armature")
_WHOLE = ("solver_iterations",)
_ABOVE_0 = ("arm_stiffness", "finger_stiffness", "impratio", "solver_iterations")


def load_sim_params(path: Path) -> SimParams:
    """Reads the parameters.

    Raises:
        InputError: The file is missing, lacks a parameter, has an unknown one or one of a wrong
            type or size.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError("parameters", where=path, got="no file", expected="sim.yaml") from None
    except yaml.YAMLError as error:
        raise InputError("parameters", where=path, got=f"{error}", expected="YAML") from error
    names = {f.name for f in fields(SimParams)}
    if not isinstance(data, dict) or set(data) != names:
        found = set(data) if isinstance(data, dict) else set()
        raise InputError(
            "parameters",
            where=path,
            got=f"missing {sorted(names - found)}, unknown {sorted(found - names)}",
            expected="every parameter of SimParams",
        )
    for name, value in data.items():
        numbers = value if name in _LISTS else [value]
        if not isinstance(numbers, list) or not all(_fits(name, number) for number in numbers):
            kind = "whole number" if name in _WHOLE else "finite number"
            expected = f"a {kind} {'above 0' if name in _ABOVE_0 else 'from 0 up'}"
            if name in _LISTS:
                expected = f"a list, each {expected}"
            raise InputError(name, where=path, got=value, expected=expected)
    lengths = [len(data[name]) for name in _LISTS]
    if len(set(lengths)) != 1:
        raise InputError(", ".join(_LISTS), where=path, got=lengths, expected="lists of one length")
    return SimParams(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def _fits(name: str, number: object) -> bool:
    kinds = (int,) if name in _WHOLE else (int, float)
    return (
        type(number) in kinds
        and math.isfinite(number)
        and (number > 0 if name in _ABOVE_0 else number >= 0)
    )
