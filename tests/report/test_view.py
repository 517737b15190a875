"""`mtopt bags view --save`: what Rerun reads back is what the bag holds."""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import pytest
from rerun.chunk import RrdReader

from mtopt_bringup.commands.bags import add_arguments, run
from mtopt_learning.bag.find import find_bags
from mtopt_learning.bag.reader import BagReader
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_spec.errors import InputError


def view(*words) -> dict:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(["view", *(str(word) for word in words)]))


def read_back(path) -> dict[str, list[dict]]:
    """Entity to its rows, in the order of the file."""
    rows = defaultdict(list)
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        components = [name for name in batch.schema.names if ":" in name]
        rows[chunk.entity_path] += batch.select(components).to_pylist()
    return rows


def scalars(rows: list[dict]) -> list[float]:
    return [row["Scalars:scalars"][0] for row in rows]


def test_a_saved_recording_holds_the_bags_episodes(bags, tmp_path):
    path = tmp_path / "one.rrd"
    result = view(bags, "--limit", 3, "--save", path)
    assert result["episodes"] == 3 and result["saved"] == str(path)
    with BagReader(find_bags([bags])[0], joint_states=True) as reader:
        episodes = [episode for episode, _ in zip(reader.episodes(), range(3), strict=False)]
    rows = read_back(path)
    pictures = [row["EncodedImage:blob"][0] for row in rows["/cameras/shoulder"]]
    expected = [jpeg for episode in episodes for jpeg in episode.images_jpeg["shoulder"]]
    assert [bytes(picture) for picture in pictures] == expected
    heights = np.concatenate([episode.state[:, 4] for episode in episodes])
    np.testing.assert_allclose(scalars(rows["/tool/z_m"]), heights, atol=1e-7)
    moves = np.concatenate([episode.action[:, 2] for episode in episodes])
    np.testing.assert_allclose(scalars(rows["/action/sent/dz_m"]), moves, atol=1e-7)
    joint = np.concatenate([episode.joint_position[:, 3] for episode in episodes])
    np.testing.assert_allclose(scalars(rows["/joints/iiwa_joint_4"]), joint)
    assert len(rows["/scene/path"]) == 3
    texts = [row["TextLog:text"][0] for row in rows["/episode/markers"]]
    assert sum(text.startswith("begin test-robot_1-") for text in texts) == 3
    assert sum(text.startswith("end test-robot_1-") for text in texts) == 3
    assert not any(entity.startswith("/q/") for entity in rows)
    assert RrdReader(path).blueprints()


def test_one_episode_with_the_q_values_of_a_checkpoint(bags, run_folder, tmp_path):
    path = tmp_path / "q.rrd"
    view(bags, "--episode", 4, "--checkpoint", run_folder / CHECKPOINT, "--save", path)
    rows = read_back(path)
    (begin, _) = [row["TextLog:text"][0] for row in rows["/episode/markers"]]
    assert "test-robot_1-4" in begin
    best, sent = (scalars(rows[f"/q/{name}"]) for name in ("best_action_found", "action_sent"))
    assert len(best) == len(sent) == 9
    assert all(0 <= q <= 1 for q in best) and np.isnan(sent[-1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("BAGS", "--episode", 999), "episode"),
        (("BAGS", "--save", "nowhere/file.rrd"), "folder"),
        (("missing",), "no such folder"),
        (("BAGS", "--checkpoint", "missing"), "checkpoint"),
    ],
)
def test_bad_input_is_named(bags, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    words = [bags if word == "BAGS" else word for word in words]
    if "--save" not in words:
        words += ["--save", "out.rrd"]
    with pytest.raises(InputError, match=message):
        view(*words)
    assert not list(tmp_path.glob("*.rrd*"))


@pytest.mark.parametrize(("option", "number"), [("--episode", -1), ("--limit", 0)])
def test_numbers_out_of_bounds_are_refused(bags, option, number):
    with pytest.raises(SystemExit):
        view(bags, option, number)
