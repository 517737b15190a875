"""Tasks, robots, actions and pictures: what is read is checked."""

import numpy as np
import pytest
import yaml

from mtopt_spec.action import Action
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg, encode_jpeg
from mtopt_spec.observation import Observation
from mtopt_spec.resources import share_dir
from mtopt_spec.robot import load_robot
from mtopt_spec.seeds import derive, generator
from mtopt_spec.task import load_tasks


def test_the_twelve_tasks_of_the_paper():
    tasks = load_tasks(share_dir() / "params/tasks.yaml")
    assert len(tasks) == 12
    assert sum(task.skill == "lift" for task in tasks) == 8
    assert [t.name for t in tasks if t.requires == "holding"] == list(tasks.names[8:])
    assert tasks.subset(["place-any", "lift-any"]).names == ("lift-any", "place-any")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"skil": "lift"}, "skil"),
        ({"skill": "fly"}, "fly"),
        ({"requires": None}, "None"),
        ({"success": {"rule": "gone"}}, "gone"),
        ({"least_opening_m": -0.001}, "-0.001"),
        ({"least_opening_m": 0.1}, "got 0.1"),
        ({"least_opening_m": "thin"}, "thin"),
        ({"success": {"rule": "covered", "object": "any"}}, "covered"),
        ({"success": {"rule": "lifted", "objekt": "any"}}, "objekt"),
    ],
)
def test_a_misspelt_task_is_refused_by_name(tmp_path, change, message):
    fields = {
        "skill": "lift",
        "requires": "holding",
        "success": {"rule": "lifted", "object": "any"},
        "bootstrap_policy": "random",
        "difficulty": 0,
    }
    path = tmp_path / "tasks.yaml"
    path.write_text(yaml.safe_dump({"tasks": {"mine": {**fields, **change}}}))
    with pytest.raises(InputError, match=f"task mine.*{message}"):
        load_tasks(path)


def test_a_task_file_extends_another_behind_its_tasks(tmp_path):
    known = load_tasks(share_dir() / "params/tasks.yaml")
    tasks = load_tasks(share_dir() / "params/tasks_cloth.yaml")
    assert tasks.names == (*known.names, "lift-cloth", "cover-object")
    cover = tasks.named("cover-object")
    assert (cover.object, cover.holds, cover.things) == (None, "cloth", ("cloth",))
    assert cover.least_opening_m == 0 and {task.least_opening_m for task in known} == {0.004}
    assert tasks.lift_of("cloth", "lift-any").name == "lift-cloth"
    assert tasks.lift_of(None, "lift-any").name == "lift-any"
    assert [tasks.easiest(skill).name for skill in ("lift", "place")] == ["lift-any", "place-any"]
    again = tmp_path / "again.yaml"
    again.write_text((share_dir() / "params/tasks_cloth.yaml").read_text().replace(
        "extends: tasks.yaml", f"extends: {share_dir() / 'params/tasks_cloth.yaml'}"
    ))  # fmt: skip
    with pytest.raises(InputError, match="lift-cloth.*again"):
        load_tasks(again)


def test_a_copied_task_file_extends_the_installed_one(tmp_path):
    installed = share_dir() / "params/tasks_cloth.yaml"
    copied = tmp_path / "mine.yaml"
    copied.write_text(installed.read_text())
    assert load_tasks(copied).names == load_tasks(installed).names
    beside = tmp_path / "tasks.yaml"
    beside.write_text((share_dir() / "params/tasks.yaml").read_text().replace("lift-can", "can"))
    assert "can" in load_tasks(copied).names, "one beside it goes before"


def test_a_task_of_any_object_includes_those_of_each():
    tasks = load_tasks(share_dir() / "params/tasks_cloth.yaml")
    included = {
        tasks[i].name: [tasks[k].name for k in others] for i, *others in tasks.included()
    }  # fmt: skip
    lifts = [t.name for t in tasks if t.skill == "lift" and t.name != "lift-any"]
    places = ["place-bottom", "place-top-left", "place-top-right"]
    assert "lift-cloth" in lifts and included.pop("lift-any") == lifts
    assert included.pop("place-any") == places, "to cover is another success"
    assert len(included) == len(tasks) - 2 and not any(included.values())


def test_unknown_task_names_the_known_ones():
    tasks = load_tasks(share_dir() / "params/tasks.yaml")
    with pytest.raises(InputError, match="lift-elephant.*lift-any"):
        tasks.index_of("lift-elephant")


@pytest.mark.parametrize("limit", ["max_acceleration", "max_jerk", "max_effort", "bin_planes"])
def test_a_missing_limit_stops_the_start(tmp_path, limit):
    data = yaml.safe_load((share_dir() / "params/robots/iiwa14/robot.yaml").read_text())
    del data[limit]
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match=limit):
        load_robot(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_jerk", [1600.0]),
        ("max_effort", [320.0, -1.0, 176.0, 176.0, 110.0, 40.0, 40.0]),
        ("finger_box_m", [[0.0, 0.0, 0.0], [0.0, 0.1, 0.1]]),
        ("bin_planes", [[0.0, 0.0, 2.0, 0.0, 0.1]]),
        ("bin_blocks", [[[0.0, 0.0, 0.0]]]),
    ],
)
def test_a_robot_file_with_a_wrong_limit_or_shape_is_refused(tmp_path, field, value):
    data = yaml.safe_load((share_dir() / "params/robots/iiwa14/robot.yaml").read_text())
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(data | {field: value}))
    with pytest.raises(InputError, match=field):
        load_robot(path)
    path.write_text(yaml.safe_dump(data | {"max_effort": []}))
    assert load_robot(path).max_effort == ()


def test_a_limit_of_nan_stops_the_start(tmp_path):
    data = yaml.safe_load((share_dir() / "params/robots/iiwa14/robot.yaml").read_text())
    data["max_velocity"] = [float("nan")] * len(data["arm_joints"])
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match="max_velocity"):
        load_robot(path)


@pytest.mark.parametrize(
    "action, problem",
    [
        (Action(translation_m=(0.06, -0.06, 0.06), azimuth_rad=0.3), None),
        (Action(translation_m=(0.0601, 0.0, 0.0)), "translation"),
        (Action(translation_m=(float("nan"), 0.0, 0.0)), "finite"),
        (Action(azimuth_rad=-0.31), "azimuth"),
        (Action(azimuth_rad=float("inf")), "finite"),
        (Action(close=True, open=True), "together"),
    ],
)
def test_what_is_wrong_with_an_action(action, problem):
    assert (action.problem() is None) if problem is None else (problem in action.problem())


def test_vector_of_an_action_and_back():
    action = Action(translation_m=(0.01, 0.02, -0.03), azimuth_rad=0.2, close=True)
    vector = action.to_vector()
    np.testing.assert_allclose(vector[3:], [np.sin(0.2), np.cos(0.2), 1, 0, 0], rtol=1e-6)
    back = Action.from_vector(vector)
    assert back.azimuth_rad == pytest.approx(0.2) and back.close and not back.open
    assert Action.from_vector(np.full(8, np.nan)).problem() is not None
    with pytest.raises(InputError, match="shape"):
        Action.from_vector(np.zeros(7))


def test_pictures_are_rgb_and_survive_jpeg():
    image = np.zeros((32, 48, 3), np.uint8)
    image[..., 0] = 200
    image[:, 24:, 2] = 120
    got = decode_jpeg(encode_jpeg(image))
    assert got.shape == image.shape
    assert np.abs(got[:, :16].astype(int) - image[:, :16]).max() < 8
    with pytest.raises(InputError, match="undecodable"):
        decode_jpeg(b"no picture")
    with pytest.raises(InputError, match="float64"):
        encode_jpeg(np.zeros((4, 4, 3)))


def test_state_of_an_observation():
    state = Observation(0.0, {}, True, 0.05, (0.1, 0.2, 0.3, np.pi / 2)).state()
    np.testing.assert_allclose(state, [1, 0.5, 0.1, 0.2, 0.3, 1, 0], atol=1e-6)


def test_draws_depend_on_their_purpose_alone():
    assert generator(3, "scene", 1).random() == generator(3, "scene", 1).random()
    assert generator(3, "scene", 1).random() != generator(3, "noise", 1).random()
    assert derive(3, "episode", 1, 2) != derive(3, "episode", 2, 1)
