"""The simulator's parameters, read from `params/sim.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
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


def load_sim_params(path: Path) -> SimParams:
    """Reads the parameters.

    Raises:
        InputError: The file is missing, lacks a parameter, has an unknown one or one that is no
            finite number from 0 up.
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
        values = np.asarray(value)
        if values.dtype.kind not in "if" or not np.all(np.isfinite(values) & (values >= 0)):
            raise InputError(name, where=path, got=value, expected="finite numbers from 0 up")
    return SimParams(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
