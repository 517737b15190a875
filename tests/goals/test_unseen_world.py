"""Objects that are in no other world, and that can be grasped."""

import re
from pathlib import Path

import numpy as np

from mtopt_bringup.goalset.demonstrations import scene_seed
from mtopt_bringup.goalset.demonstrator import Demonstrator
from mtopt_sim.cell import CellConfig, cell_objects, cell_robots
from mtopt_sim.scene import object_names
from mtopt_sim.world_file import read_world
from mtopt_spec.resources import share_dir

UNSEEN = "unseen_cell.sdf"


def worlds() -> Path:
    return share_dir() / "worlds"


def models(world: Path) -> set[str]:
    return set(re.findall(r"model://(\w+)", world.read_text()))


def test_its_objects_are_in_no_other_world():
    objects = set(cell_objects(CellConfig(robots=1, world=worlds() / UNSEEN)))
    assert len(objects) >= 4
    assert objects <= models(worlds() / UNSEEN), "each is the model of its name"
    for other in worlds().glob("*.sdf"):
        if other.name != UNSEEN:
            assert not objects & models(other), other


def test_all_else_is_the_cell_that_was_trained_in():
    mine, cell = (worlds() / name for name in (UNSEEN, "bin_cell.sdf"))
    assert cell_robots(CellConfig(world=mine)) == cell_robots(CellConfig(world=cell))
    for robot in cell_robots(CellConfig(world=mine)):
        ours, theirs = read_world(mine, robot), read_world(cell, robot)
        assert len(object_names(ours, robot)) == len(object_names(theirs, robot)) - 3
        for part in ("", "_bin", "_shoulder_camera"):
            pose = ours.models[robot + part].pose
            np.testing.assert_array_equal(pose, theirs.models[robot + part].pose)
    assert ours.step_s == theirs.step_s


def test_a_script_that_aims_at_colours_lifts_each_of_them():
    demonstrator = Demonstrator(worlds() / UNSEEN)
    shown = [demonstrator.show("grasp", scene_seed(1, "grasp", i)).goal for i in range(40)]
    lifted = [goal.goal.truth.object for goal in shown if goal is not None]
    assert len(lifted) >= 0.6 * len(shown)
    assert set(lifted) == set(cell_objects(CellConfig(robots=1, world=worlds() / UNSEEN)))
