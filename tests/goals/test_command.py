"""`mtopt goals` from end to end, and its page."""

import json

import cv2
import pytest

from mtopt_bringup.goalset.from_bags import from_bags
from mtopt_bringup.goalset.goal_set import RECORDED, read_goal_set
from mtopt_bringup.goalset.stories import goal_stories, some_of_each
from mtopt_bringup.in_process import CollectConfig, collect
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_learning.report.goals import contact_sheet, write_goal_page
from mtopt_spec.errors import InputError


def test_from_demonstration_to_page(mtopt, tmp_path):
    goals, out = tmp_path / "goals", tmp_path / "reached"
    made = mtopt("goals", "demonstrate", "--out", goals, "--kinds", "grasp", "place",
                 "--episodes", 1, "--seed", 3, "--processes", 1)  # fmt: skip
    assert made["exit_code"] == 0, made["stderr"][-2000:]
    assert made["counts"] == {"grasp": 1, "place": 1}
    assert made["kinds"]["grasp"]["tries"] >= 1
    told = mtopt("goals", "show", goals, "--sheet", tmp_path / "sheet.png")
    assert told["counts"] == made["counts"] and told["fingerprint"] == made["fingerprint"]
    assert told["holding"] == 1 and sum(told["objects"].values()) == 2
    reached = mtopt("goals", "reach", goals, "--policy", "random", "--out", out,
                    "--processes", 1, "--max-steps", 20)  # fmt: skip
    assert reached["exit_code"] == 0, reached["stderr"][-2000:]
    assert reached["kinds"]["place"]["attempts"] == 1 and "goals" not in reached
    html = (out / "goals.html").read_text()
    assert html.count("data:image/webp") == 2 and "reached" in html
    assert "src=" in html and "http" not in html.replace("http-equiv", "")
    assert cv2.imread(str(out / "goals.png")) is not None
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


def checkpoint(folder, **settings):
    from mtopt_learning.checkpoint.q_function import QFunction, save_q_function
    from mtopt_learning.qlearn.network import NetworkConfig, QNetwork
    from mtopt_learning.qlearn.tower import TowerConfig
    from mtopt_sim.cell import cell_tasks
    from mtopt_spec.observation import DEFAULT_IMAGE_SIZES as SIZES

    names = cell_tasks().names
    towers = tuple(TowerConfig(c, *size, (8,), (8,), (8,), 8) for c, size in SIZES.items())
    network = QNetwork(NetworkConfig(len(names), towers, 16, 16, **settings))
    save_q_function(folder, QFunction(network, names, dict(SIZES)), {})
    return folder


def test_a_q_function_that_knows_goals_is_measured_with_its_q(mtopt, folder, tmp_path):
    knows = checkpoint(tmp_path / "q", goal_join="input")
    result = mtopt("goals", "reach", folder, "--checkpoint", knows, "--out", tmp_path / "r",
                   "--processes", 1)  # fmt: skip
    assert result["exit_code"] == 0, result["stderr"][-2000:]
    reached = json.loads((tmp_path / "r" / "reached.json").read_text())["goals"]
    assert len(reached) == 9 and all(0.0 < row["q"] < 1.0 for row in reached)
    assert len(result["checkpoint"]) == 12
    assert result["unprepared"] == result["other_starts"] == []
    assert "Q 0." in (tmp_path / "r" / "goals.html").read_text()
    for name, settings, words in (("none", {}, "not trained to reach goals"),):
        other = checkpoint(tmp_path / name, **settings)
        refused = mtopt("goals", "reach", folder, "--checkpoint", other, "--out", tmp_path / "s")
        assert refused["exit_code"] == 2 and words in refused["stderr"]


def test_bad_input_ends_with_2_and_says_what_to_do(mtopt, folder, tmp_path):
    missing = mtopt("goals", "show", tmp_path)
    assert missing["exit_code"] == 2 and "mtopt goals demonstrate" in missing["stderr"]
    short = mtopt("goals", "reach", folder, "--policy", "random", "--out", tmp_path / "r",
                  "--max-steps", 5)  # fmt: skip
    assert short["exit_code"] == 2 and "at least 20" in short["stderr"]
    own = mtopt("goals", "reach", folder, "--policy", "bootstrap", "--out", tmp_path / "r")
    assert own["exit_code"] == 2 and "got 'bootstrap'" in own["stderr"]
    kind = mtopt("goals", "demonstrate", "--out", tmp_path / "g", "--kinds", "throw")
    assert kind["exit_code"] == 2


def test_bags_give_goals_without_truth(tmp_path, shown):
    config = CollectConfig(
        robots=1, episodes=5, seed=2, processes=1, tasks=("lift-any", "place-any"),
        mode="fixed", out=tmp_path / "bags",
    )  # fmt: skip
    collect(config)
    episodes = []
    for bag in find_bags([tmp_path / "bags"]):
        with BagReader(bag) as reader:
            episodes += list(reader.episodes())
    goals = from_bags([tmp_path / "bags"], ("shoulder", "wrist"), every=2)
    assert goals.counts() == {RECORDED: (len(episodes) + 1) // 2}
    for goal, episode in zip(goals.goals, episodes[::2]):
        last = {camera: pictures[-1] for camera, pictures in episode.images_jpeg.items()}
        assert goal.goal.images_jpeg == last and set(last) == {"shoulder", "wrist"}
        assert goal.start_jpeg == episode.images_jpeg["shoulder"][0]
        assert goal.source == episode.begin.episode_id and goal.goal.truth is None
        assert goal.goal.holding == (episode.begin.task == "place-any")
    assert any(episode.begin.task == "place-any" for episode in episodes)
    goals.write(tmp_path / "goals")
    assert read_goal_set(tmp_path / "goals").goals == goals.goals
    page = write_goal_page(tmp_path / "p.html", "Goals", goal_stories(goals), [], [])
    assert page["bytes"] > 1000
    with pytest.raises(InputError, match="elbow"):
        from_bags([tmp_path / "bags"], ("shoulder", "elbow"))


def test_the_sheet_frames_what_was_reached_and_what_was_not(shown):
    rows = [
        {"number": n, "success": n == 0, "distance_m": 0.1, "q": 0.5, "steps": 3, "end": None}
        for n in range(len(shown.goals))
    ]
    stories = goal_stories(shown, {"goals": rows})
    sheet = contact_sheet(stories, columns=2, frame_px=32)
    edges = [tuple(sheet[4 * 1, 20]), tuple(sheet[4, sheet.shape[1] // 2 + 20])]
    assert edges[0] == (15, 138, 102) and edges[1] == (209, 96, 61)
    assert [story.number for story in some_of_each(stories, 2)] == [0, 1, 3, 4, 6, 7]
    assert some_of_each(stories, 9) == stories
