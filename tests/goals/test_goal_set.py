"""Goals on disk: what comes back, and what is refused."""

import json
from dataclasses import replace

import pytest

from mtopt_bringup.goalset.goal_set import TABLE, GoalSet, read_goal_set
from mtopt_spec.errors import InputError


def test_it_comes_back_as_it_was_written(shown, folder):
    again = read_goal_set(folder)
    assert again == shown and again.fingerprint == shown.fingerprint
    assert again.counts() == {"grasp": 3, "place": 3, "rearrange": 3}
    assert len(list(folder.iterdir())) == 3 * 9 + 1


def test_another_set_takes_its_place_whole(shown, folder):
    fewer = replace(shown, goals=shown.goals[:2])
    fewer.write(folder)
    assert read_goal_set(folder) == fewer and len(list(folder.iterdir())) == 3 * 2 + 1
    assert fewer.fingerprint != shown.fingerprint
    assert [path.name for path in folder.parent.iterdir()] == ["goals"]


def test_what_is_no_goal_set_is_not_replaced(shown, folder, tmp_path):
    mine = [tmp_path / "bags" / "robot_1" / "metadata.yaml", folder / "notes.txt"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    for out, held in ((tmp_path / "bags", "robot_1"), (folder, "notes.txt")):
        with pytest.raises(InputError, match=f"{out}: got {held}, .*name another folder"):
            shown.write(out)
    assert [path.read_text() for path in mine] == ["precious"] * 2
    assert read_goal_set(folder) == shown


def edit(change):
    def damage(folder):
        table = json.loads((folder / TABLE).read_text())
        change(table)
        (folder / TABLE).write_text(json.dumps(table))

    return damage


DAMAGES = {
    "no table": (lambda folder: (folder / TABLE).unlink(), r"no goals\.json.*mtopt goals"),
    "cut off": (lambda f: (f / TABLE).write_text((f / TABLE).read_text()[:99]), "expected JSON"),
    "other format": (edit(lambda t: t.update(format=9)), "got 9, expected 2"),
    "no list": (lambda folder: (folder / TABLE).write_text("[]"), "got list, expected 2"),
    "no goals": (edit(lambda t: t.update(goals=[])), "got none"),
    "field missing": (edit(lambda t: t["goals"][1].pop("holding")), "holding"),
    "no seed": (edit(lambda t: t["goals"][0].update(scene_seed=None)), "scene_seed"),
    "unknown kind": (edit(lambda t: t["goals"][0].update(kind="throw")), "throw"),
    "flat place": (edit(lambda t: t["goals"][0].update(position_bin_m=[0, 1])), "position_bin_m"),
    "word for a place": (edit(lambda t: t["goals"][0].update(position_bin_m="abc")), "goal set in"),
    "picture gone": (lambda f: (f / "00003_goal_wrist.jpg").unlink(), "00003_goal_wrist.jpg"),
    "a camera less": (edit(lambda t: t["goals"][2]["goal"].pop("wrist")), "goal 2.*shoulder"),
    "no picture": (lambda f: (f / "00003_start.jpg").write_bytes(b"JFIF"), "undecodable"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_refused(damage, folder):
    change, words = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=words):
        read_goal_set(folder)


def test_goals_without_a_world_cannot_be_reached_in_it(shown):
    with pytest.raises(InputError, match="mtopt goals demonstrate"):
        GoalSet(shown.goals, shown.cameras).world_file()
    with pytest.raises(InputError, match="gone.sdf"):
        GoalSet(shown.goals, shown.cameras, world="gone.sdf").world_file()
