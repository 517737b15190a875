"""What goal pictures show, judged from the truth."""

import math

import numpy as np
import pytest

from mtopt_sim.goals import distance_m, reached
from mtopt_sim.truth import SceneTruth
from mtopt_spec.errors import InputError
from mtopt_spec.goal import GoalTruth

SHOWN_M = (0.1, -0.2, 0.03)
GRASP = GoalTruth("grasp", "can", (0.1, -0.2, 0.2))
PLACE = GoalTruth("place", "can", SHOWN_M, "top_left")
REARRANGE = GoalTruth("rearrange", "can", SHOWN_M)


def scene(x=0.1, y=-0.2, height=0.03, *, held=False, touched=False, rest=True, section=""):
    """A can like that beside a banana that is held high, then lies on the plate."""
    return SceneTruth(
        names=("banana", "can"),
        position_bin_m=np.array([[*SHOWN_M[:2], 0.2], [x, y, height]]),
        quat_bin_wxyz=np.tile([1.0, 0, 0, 0], (2, 1)),
        held=np.array([True, held]),
        touched=np.array([False, touched or held]),
        at_rest=np.array([True, rest]),
        section=("top_left", section),
        hinge_angle_rad=0.0,
    )


@pytest.mark.parametrize(
    ("wanted", "truth", "expected"),
    [
        (GRASP, scene(height=0.06, held=True), True),
        (GRASP, scene(height=0.059, held=True), False),
        (GRASP, scene(height=0.2), False),
        (PLACE, scene(section="top_left"), True),
        (PLACE, scene(section="top_right"), False),
        (PLACE, scene(section=""), False),
        (PLACE, scene(section="top_left", touched=True), False),
        (PLACE, scene(section="top_left", rest=False), False),
        (GoalTruth("place", "can", SHOWN_M), scene(), False),
        (REARRANGE, scene(), True),
        (REARRANGE, scene(x=0.149), True),
        (REARRANGE, scene(x=0.151), False),
        (REARRANGE, scene(x=0.14, y=-0.16), False),
        (REARRANGE, scene(height=0.5), True),
        (REARRANGE, scene(touched=True), False),
        (REARRANGE, scene(rest=False), False),
        *((GoalTruth(kind, "milk", SHOWN_M, "top_left"), scene(), False)
          for kind in ("grasp", "place", "rearrange")),
    ],
)  # fmt: skip
def test_rules(wanted, truth, expected):
    assert reached(truth, wanted) is expected


def test_the_distance_is_that_of_the_centres():
    assert distance_m(scene(x=0.13, y=-0.2, height=0.07), PLACE) == pytest.approx(0.05)
    assert math.isnan(distance_m(scene(), GoalTruth("place", "milk", SHOWN_M)))


def test_a_kind_that_nobody_knows_is_refused():
    with pytest.raises(InputError, match="juggle"):
        GoalTruth("juggle", "can", SHOWN_M)
