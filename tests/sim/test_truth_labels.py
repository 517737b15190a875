"""Every task of params/tasks.yaml judged from the truth."""

import numpy as np
import pytest
from exact_pick import ExactArm, pick

from mtopt_sim.labels import label_tasks
from mtopt_sim.truth import SceneTruth, plate_section
from mtopt_spec.errors import InputError
from mtopt_spec.task import Task, load_tasks


def _truth(held=False, height=0.02, section="", touched=False, rest=True):
    return SceneTruth(
        names=("banana", "can"),
        position_bin_m=np.array([[0.0, 0.0, height], [0.1, 0.0, 0.03]]),
        quat_bin_wxyz=np.tile([1.0, 0, 0, 0], (2, 1)),
        held=np.array([held, False]),
        touched=np.array([touched or held, False]),
        at_rest=np.array([rest, True]),
        section=(section, ""),
        hinge_angle_rad=0.0,
    )


@pytest.fixture(scope="module")
def tasks(root):
    return load_tasks(root / "params/tasks.yaml")


CASES = {
    "held high": (_truth(held=True, height=0.1), {"lift-any", "lift-banana"}),
    "held low": (_truth(held=True, height=0.05), set()),
    "high, not held": (_truth(height=0.1), set()),
    "placed": (_truth(section="bottom"), {"place-any", "place-bottom"}),
    "placed top left": (_truth(section="top_left"), {"place-any", "place-top-left"}),
    "still in the fingers": (_truth(section="bottom", touched=True), set()),
    "still rolling": (_truth(section="bottom", rest=False), set()),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(tasks, case):
    truth, wanted = CASES[case]
    labels = label_tasks(truth, tasks)
    assert {name for name, success in labels.items() if success} == wanted
    assert set(labels) == set(tasks.names)


def test_an_empty_scene_fulfils_nothing(tasks, station):
    station.reset(0, objects=[])
    assert not any(label_tasks(station.truth(), tasks).values())


def test_sections_of_the_plate():
    size = (0.34, 0.22)
    assert plate_section(np.array([-0.1, 0.05, 0.02]), size) == "bottom"
    assert plate_section(np.array([0.1, 0.05, 0.02]), size) == "top_left"
    assert plate_section(np.array([0.1, -0.05, 0.02]), size) == "top_right"
    assert plate_section(np.array([0.1, -0.12, 0.02]), size) == ""
    assert plate_section(np.array([0.1, 0.05, 0.2]), size) == ""


def test_an_unknown_section_is_refused():
    task = Task("place-left", "place", "holding", {"rule": "placed", "section": "left"}, "s", 1)
    with pytest.raises(InputError, match="place-left"):
        label_tasks(_truth(), [task])


def test_a_real_lift_and_place_are_seen(station, tasks):
    station.reset(2, objects=["box"])
    arm = ExactArm(station)
    pick(station, arm, "box", shake=False)
    labels = label_tasks(station.truth(), tasks)
    assert {name for name, success in labels.items() if success} == {"lift-any", "lift-box"}
    arm.go([-0.09, 0.32, 0.15])
    arm.go([-0.09, 0.32, 0.05])
    arm.go(finger=0.05)
    arm.go([-0.09, 0.32, 0.2])
    arm.go()
    labels = label_tasks(station.truth(), tasks)
    assert {name for name, success in labels.items() if success} == {"place-any", "place-bottom"}
