"""Bags that a crash left open: what was whole is kept, what was cut off is never an episode."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mtopt_bringup.commands import bags as command
from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.mcap_scan import scan
from mtopt_control.recorder.recovery import recover_bag, recover_bags
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.whole_file import partial_path


def numbers(bag):
    with BagReader(bag) as reader:
        found = [episode.begin.episode_number for episode in reader.episodes()]
        assert not reader.counts["incomplete"]
        return found


@pytest.fixture
def left_open(tmp_path, make_episode):
    """A bag of four episodes as a dead recorder leaves it, and where each episode ends."""
    writer, ends = BagWriter(tmp_path / "live", "robot_1", sync=False), []
    for number in range(4):
        bag = writer.write_episode(episode_messages(make_episode(number)))
        file = next(partial_path(bag).glob("*.mcap"))
        ends.append(file.stat().st_size)
    copy = tmp_path / "robot_1" / partial_path(bag).name
    shutil.copytree(partial_path(bag), copy)
    writer.close()
    return copy, np.array(ends)


def test_cut_anywhere_all_whole_episodes_are_kept(left_open, tmp_path):
    bag, ends = left_open
    data = next(bag.glob("*.mcap")).read_bytes()
    rng = np.random.default_rng(0)
    near = (ends[:, None] + np.array([-1, 0, 1, 9])).ravel()
    cuts = [0, 5, *rng.integers(8, len(data), 20), *near[near <= len(data)]]
    for i, cut in enumerate(cuts):
        partial = tmp_path / f"cut_{i}" / "bag_0000.partial"
        partial.mkdir(parents=True)
        (partial / "bag_0000_0.mcap").write_bytes(data[:cut])
        whole = int(np.sum(ends <= cut))
        found = recover_bag(partial)
        assert found.episodes == whole, cut
        assert not partial.exists()
        if whole:
            assert numbers(found.bag) == list(range(whole))
            assert found.cut_bytes == cut - ends[whole - 1]
        result = command.check([partial.parent], repair=False)
        assert result["recovered"] == whole
        assert result["set_aside"] == (found.cut_bytes > 0)
        assert result["episodes"] == whole


def test_damaged_bytes_end_the_recovery_there(left_open):
    bag, ends = left_open
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[(ends[1] + ends[2]) // 2] ^= 0xFF
    file.write_bytes(data)
    found = recover_bag(bag)
    assert (found.episodes, numbers(found.bag)) == (2, [0, 1])


def test_a_bag_that_is_being_written_is_left_alone(tmp_path, make_episode):
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(episode_messages(make_episode(0)))
        (found,) = recover_bags(tmp_path)
        assert found.being_written and partial_path(bag).is_dir()
        result = command.check([tmp_path], repair=True)
        assert partial_path(bag).is_dir() and result["recovered"] == 0
        writer.write_episode(episode_messages(make_episode(1)))
    assert numbers(bag) == [0, 1]


def test_recovering_twice_changes_nothing(left_open):
    bag, _ = left_open
    found = recover_bag(bag)
    before = {p.name: p.read_bytes() for p in found.bag.iterdir()}
    assert recover_bag(found.bag).episodes == 4
    assert {p.name: p.read_bytes() for p in found.bag.iterdir()} == before


def test_check_tells_of_an_open_bag_and_repairs_it(left_open):
    bag, ends = left_open
    with next(bag.glob("*.mcap")).open("r+b") as stream:
        stream.truncate(ends[2] + 100)
    told = command.check([bag.parent], repair=False)
    assert told["bags"] == 0 and told["exit_code"] == 1
    assert "3 whole episodes, 100 bytes" in told["errors"][0]
    repaired = command.check([bag.parent], repair=True)
    keys = ("bags", "episodes", "recovered", "set_aside", "errors", "exit_code")
    assert [repaired[k] for k in keys] == [1, 3, 3, 1, [], 0]


def test_a_closed_bag_that_was_cut_off_later_is_told_and_repaired(bag):
    file = next(bag.glob("*.mcap"))
    with file.open("r+b") as stream:
        stream.truncate(scan(file)[0].end - 100)
    told = command.check([bag.parent], repair=False)
    assert told["exit_code"] == 1 and "cut off" in told["errors"][0]
    repaired = command.check([bag.parent], repair=True)
    keys = ("bags", "episodes", "recovered", "set_aside", "errors")
    assert [repaired[k] for k in keys] == [1, 2, 2, 1, []]
