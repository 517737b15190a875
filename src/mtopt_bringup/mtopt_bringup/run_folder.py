"""A folder of bags that runs add to: each run names its episodes anew and draws anew."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from mtopt_control.recorder.recovery import recover_bags
from mtopt_spec import seeds

_LOG = logging.getLogger("mtopt")
_BAG = re.compile(r"bag_(\d+)(\.partial)?")


@dataclass(frozen=True)
class RunStart:
    """How a run begins.

    Attributes:
        run: First part of its episodes' ids; no other run has the same, wherever it records.
        seed: What its random draws come from.
    """

    run: str
    seed: int


def start_run(out: Path, seed: int, name: str = "s") -> RunStart:
    """Makes the folder, closes what a crash left open there, and names the run.

    Into an empty folder the seed is taken as it is. A later run into the same folder, of the same
    seed, must not record the same episodes again: its draws depend on the bags that are there.
    The name begins with `name` and the seed; drawn digits tell it from runs into other folders,
    whose episodes may come into the same data set.
    """
    out.mkdir(parents=True, exist_ok=True)
    for found in recover_bags(out):
        _LOG.warning("%s was left open: %d episodes recovered", found.bag, found.episodes)
    numbers = [int(m[1]) for p in out.glob("*/bag_*") if (m := _BAG.fullmatch(p.name))]
    digits = secrets.token_hex(4)
    if not numbers:
        return RunStart(f"{name}{seed}-{digits}", seed)
    part = max(numbers) + 1
    continued = seeds.derive(seed, "continued run", part) % 2**31
    return RunStart(f"{name}{seed}.{part}-{digits}", continued)


def start_part(out: Path, seed: int, name: str, part: int) -> RunStart:
    """Names the run of a part that has a folder of its own.

    What a call that was stopped left there is removed: the same seed gives the same data, but for
    the run's name.
    """
    shutil.rmtree(out, ignore_errors=True)
    return start_run(out, seeds.derive(seed, f"{name} part", part) % 2**31, f"{name}{part}-")
