"""The simulator's parameters: of the right type and size, or refused where they are loaded."""

import pytest
import yaml

from mtopt_sim.scene import build_spec
from mtopt_sim.sim_params import load_sim_params
from mtopt_sim.world_file import read_world
from mtopt_spec.errors import InputError


@pytest.fixture
def changed(root, tmp_path):
    def change(**values):
        shipped = yaml.safe_load((root / "params/sim.yaml").read_text())
        file = tmp_path / "sim.yaml"
        file.write_text(yaml.safe_dump({**shipped, **values}))
        return file

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arm_stiffness", [1000, 1000, 1000]),
        ("arm_stiffness", [0] * 7),
        ("arm_damping", 40),
        ("arm_armature", [[0.1]] * 7),
        ("solver_iterations", 30.5),
        ("solver_iterations", True),
        ("finger_stiffness", 0),
        ("impratio", 0),
        ("drop_radius_m", [0.1, 0.2]),
        ("hinge_rate", "fast"),
        ("settle_s", float("inf")),
        ("settle_s", -1.0),
    ],
)
def test_a_wrong_value_is_refused(name, value, changed):
    with pytest.raises(InputError, match=rf"{name}.*sim\.yaml"):
        load_sim_params(changed(**{name: value}))


def test_gains_for_another_arm_are_refused(changed, worlds):
    lists = ("arm_stiffness", "arm_damping", "arm_armature")
    params = load_sim_params(changed(**{name: [1000.0] * 6 for name in lists}))
    world = read_world(worlds / "one_station.sdf")
    with pytest.raises(InputError, match="6 of each, expected 7, one a joint of robot_1"):
        build_spec(world, params, world.models["robot_1"].pose)
