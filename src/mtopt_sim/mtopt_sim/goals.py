"""Judges what a goal picture shows from the simulator's truth."""

from __future__ import annotations

import numpy as np

from mtopt_sim.labels import LIFTED_HEIGHT_M
from mtopt_sim.truth import SceneTruth
from mtopt_spec.goal import GoalTruth

REARRANGED_WITHIN_M = 0.05
"""Largest distance of an object's centre, along the floor, from the place that is shown."""


def reached(truth: SceneTruth, wanted: GoalTruth) -> bool:
    """Whether a scene is as a goal picture shows it, as far as the object to be moved goes.

    `grasp`: it is held, and its centre is `LIFTED_HEIGHT_M` or more above the bin's floor.
    `place`: it lies at rest, touched by no finger, on the section of the plate that is shown.
    `rearrange`: it lies at rest, touched by no finger, `REARRANGED_WITHIN_M` or less from the
    place that is shown.

    Args:
        truth: The scene at the end of an episode.
        wanted: What the picture shows.
    """
    if wanted.object not in truth.names:
        return False
    index = truth.names.index(wanted.object)
    position_m = truth.position_bin_m[index]
    if wanted.kind == "grasp":
        return bool(truth.held[index] and position_m[2] >= LIFTED_HEIGHT_M)
    if truth.touched[index] or not truth.at_rest[index]:
        return False
    if wanted.kind == "place":
        return wanted.section != "" and truth.section[index] == wanted.section
    off_m = np.hypot(*(position_m - wanted.position_bin_m)[:2])
    return bool(off_m <= REARRANGED_WITHIN_M)


def distance_m(truth: SceneTruth, wanted: GoalTruth) -> float:
    """From the object's centre to where the picture shows it, m; NaN where it is not there."""
    if wanted.object not in truth.names:
        return float("nan")
    position_m = truth.position_bin_m[truth.names.index(wanted.object)]
    return float(np.linalg.norm(position_m - wanted.position_bin_m))
