"""A cloth: it can be pinched from above, and what it covers is seen."""

import numpy as np
import pytest
from exact_pick import ExactArm

from mtopt_sim.covering import lies_over
from mtopt_sim.labels import label_tasks
from mtopt_sim.station import Station
from mtopt_sim.world_file import WorldFileError
from mtopt_spec.task import load_tasks


@pytest.fixture(scope="module")
def tasks(root):
    return load_tasks(root / "params/tasks_cloth.yaml")


@pytest.fixture(scope="module")
def cloth_station(worlds):
    return Station(worlds / "cloth_cell.sdf")


def good(station, tasks):
    return {name for name, success in label_tasks(station.truth(), tasks).items() if success}


def lay_over(station, name, beside_m=0.0):
    """Lays the cloth flat over an object, or beside it, and lets it come to rest."""
    truth, points = station.truth(), station._cloths._points["cloth"]
    place = truth.position_bin_m[truth.names.index(name)] + [beside_m, 0.0, 0.05]
    pose = station.pose_base_bin
    local = points.pleated(0.0) + place
    points.place(station.data, local @ pose[:3, :3].T + pose[:3, 3])
    station.advance(2.0)


def on_plate(station):
    truth = station.truth()
    return next(n for n, part in zip(truth.names, truth.section) if part and n != "cloth")


def test_a_new_scene_has_a_cloth_and_an_object_on_the_plate(cloth_station, tasks):
    for seed in range(3):
        cloth_station.reset(seed)
        truth = cloth_station.truth()
        cloth = truth.names.index("cloth")
        assert truth.section[cloth] == "" and truth.at_rest[cloth]
        assert on_plate(cloth_station)
        assert not good(cloth_station, tasks), "what the scene put on the plate is not placed"
        cloth_station.command_hinge(0.1)
        cloth_station.command_hinge(0.0)
        assert "place-any" in good(cloth_station, tasks), "after the bin tipped it would be"


def test_two_fingers_pinch_it_from_above(cloth_station, tasks):
    lifted = 0
    for seed in range(6):
        cloth_station.reset(seed)
        arm = ExactArm(cloth_station)
        truth = cloth_station.truth()
        x, y, _ = truth.position_bin_m[truth.names.index("cloth")]
        arm.go([x, y, 0.1])
        arm.go([x, y, 0.022])
        arm.go(finger=0.0)
        arm.go()
        contact = cloth_station.data.contact
        of_cloth = contact.friction[(contact.flex >= 0).any(1), 0]
        assert of_cloth == pytest.approx(cloth_station.model.flex_friction[0, 0]), "not a pad's"
        arm.go([x, y, 0.15])
        found = good(cloth_station, tasks)
        if "lift-cloth" in found:
            lifted += 1
            assert "lift-any" in found
            arm.go(finger=0.05)
            arm.go([x, y, 0.2])
            assert "cover-object" not in found
    assert lifted >= 4


def test_an_object_under_it_is_covered_and_one_beside_it_is_not(cloth_station, tasks):
    covered = 0
    for seed in range(3, 8):  # from some it slides off
        cloth_station.reset(seed)
        name = on_plate(cloth_station)
        lay_over(cloth_station, name)
        truth = cloth_station.truth()
        is_covered = truth.covered[truth.names.index(name)] >= 0.6
        assert is_covered == ("cover-object" in good(cloth_station, tasks))
        covered += is_covered
    assert covered >= 3
    lay_over(cloth_station, name, beside_m=-0.3)
    truth = cloth_station.truth()
    assert truth.covered[truth.names.index(name)] < 0.1


def test_bent_it_comes_back_to_its_creases(cloth_station):
    cloth_station.reset(0, objects=["cloth"])
    points = cloth_station._cloths._points["cloth"]
    pose = cloth_station.pose_base_bin

    def height():
        return np.ptp(points.positions(cloth_station.data)[:, 2])

    points.place(cloth_station.data, points.pleated(1.4) + pose[:3, 3] + [0, 0, 0.02])
    cloth_station.advance(0.004)
    tall = height()
    cloth_station.advance(2.0)
    rows = points.pleated(0.6)
    assert height() < 0.8 * tall
    assert 0.3 * np.ptp(rows[:, 2]) < height(), "it is not flat"


def test_what_lies_over_a_place_by_hand():
    triangle = np.array([[[0.0, 0, 1], [1, 0, 1], [0, 1, 1]]])
    places = np.array([[0.2, 0.2, 0.5], [0.8, 0.8, 0.5], [0.2, 0.2, 1.5]])
    assert lies_over(places, triangle).tolist() == [True, False, False]


def test_a_sheet_with_a_bad_number_is_refused(worlds, tmp_path):
    text = (worlds / "models/cloth/model.sdf").read_text()
    models = tmp_path / "models"
    models.mkdir()
    for model in (worlds / "models").iterdir():
        if model.name != "cloth":
            (models / model.name).symlink_to(model)
    (models / "cloth").mkdir()
    (models / "cloth/model.config").symlink_to(worlds / "models/cloth/model.config")
    bad = text.replace("crease_rad>0.6", "crease_rad>-0.6")
    assert bad != text
    (models / "cloth/model.sdf").write_text(bad)
    (tmp_path / "cloth_cell.sdf").write_text((worlds / "cloth_cell.sdf").read_text())
    with pytest.raises(WorldFileError, match="crease_rad"):
        Station(tmp_path / "cloth_cell.sdf")
