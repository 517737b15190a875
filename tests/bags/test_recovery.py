"""Bags that a crash left open: what was whole is kept, what was cut off is never an episode."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from mcap.data_stream import RecordBuilder
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import Channel, Schema
from mcap.stream_reader import StreamReader

from mtopt_bringup.commands import bags as command
from mtopt_control.recorder import recovery
from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.mcap_file import BagMessage, McapFile
from mtopt_control.recorder.mcap_scan import scan
from mtopt_control.recorder.recovery import recover_bag, recover_bags
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.bag_topics import JOINT_TRAJECTORY
from mtopt_spec.errors import InputError
from mtopt_spec.goal import Goal
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


@pytest.mark.parametrize("kept_bytes", [1, 8, 9])
def test_zeros_at_the_end_are_no_episode(left_open, kept_bytes):
    """What a power cut leaves where a file has grown and its bytes have not come to the disk."""
    bag, ends = left_open
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    start = scan(file)[0].chunks[-1].chunk_start_offset + kept_bytes
    data[start:] = bytes(len(data) - start)
    file.write_bytes(data)
    (found,) = recover_bags(bag.parent)
    assert (found.episodes, found.cut_bytes) == (3, len(data) - ends[2])
    assert numbers(found.bag) == [0, 1, 2]


@pytest.mark.parametrize("place", [3, 8, 10, 16])
def test_a_file_without_its_head_is_set_aside_whole(left_open, place):
    bag, _ = left_open
    data = bytearray(next(bag.glob("*.mcap")).read_bytes())
    data[place] ^= 0x04
    next(bag.glob("*.mcap")).write_bytes(data)
    found = recover_bag(bag)
    assert (found.episodes, bag.exists()) == (0, False)
    assert found.bag.with_name("bag_0000.cut").read_bytes() == data


@pytest.fixture
def damage(left_open):
    """Flips the bits of a byte of episodes of the bag: so far into the chunk, or into its index."""
    bag, _ = left_open
    file = next(bag.glob("*.mcap"))
    chunks = scan(file)[0].chunks

    def flip(place, *episodes):
        data = bytearray(file.read_bytes())
        for episode in episodes:
            chunk = chunks[episode]
            index = chunk.chunk_start_offset + chunk.chunk_length
            data[index + 20 if place == "index" else chunk.chunk_start_offset + place] ^= 0xFF
        file.write_bytes(data)
        return bytes(data)

    return flip


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(0, id="opcode"),
        pytest.param(1, id="length, a little"),
        pytest.param(8, id="length, beyond the file"),
        pytest.param(10, id="time"),
        pytest.param(26, id="size"),
        pytest.param(48, id="length of the data"),
        pytest.param(1000, id="data"),
        "index",
    ],
)
def test_whole_episodes_behind_damaged_ones_are_kept(left_open, damage, place):
    bag, ends = left_open
    data = damage(place, 1, 2)
    found = recover_bag(bag)
    assert (found.episodes, numbers(found.bag)) == (2, [0, 3])
    rest = found.bag.with_name("bag_0000.cut").read_bytes()
    assert rest == data[ends[0] : ends[2]] and found.cut_bytes == len(rest)
    file = next(found.bag.glob("*.mcap"))
    with file.open("rb") as stream:
        assert SeekingReader(stream).get_summary().chunk_indexes == scan(file)[0].chunks
        stream.seek(0)
        begins = [m for _, c, m in NonSeekingReader(stream).iter_messages() if "begin" in c.topic]
    assert len(begins) == 2, "what was damaged is not in the file either"
    result = command.check([bag.parent], repair=True)
    assert [result[k] for k in ("recovered", "set_aside", "errors")] == [2, 1, []]


def test_damaged_and_cut_off_bytes_are_all_set_aside(left_open, damage):
    bag, ends = left_open
    data = damage(1000, 0, 2)[:-7]
    next(bag.glob("*.mcap")).write_bytes(data)
    start = scan(next(bag.glob("*.mcap")))[0].cut[0].start
    found = recover_bag(bag)
    assert numbers(found.bag) == [1]
    rest = found.bag.with_name("bag_0000.cut").read_bytes()
    assert rest == data[start : ends[0]] + data[ends[1] :]


def test_a_repair_that_was_interrupted_is_done_again(left_open, damage, monkeypatch):
    def full(*_, **__):
        raise OSError("disk full")

    bag, ends = left_open
    data = damage(1000, 1)
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "write_metadata", full)
        with pytest.raises(OSError):
            recover_bag(bag)
    found = recover_bag(bag)
    assert numbers(found.bag) == [0, 2, 3]
    assert found.bag.with_name("bag_0000.cut").read_bytes() == data[ends[0] : ends[1]]


def test_topics_that_begin_with_a_damaged_episode_are_known_to_later_ones(tmp_path, make_episode):
    goal = Goal({"shoulder": b"bin"})
    with BagWriter(tmp_path, "robot_1") as writer:
        for number in range(3):
            episode = replace(make_episode(number), goal=goal if number else None)
            bag = writer.write_episode(episode_messages(episode))
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[scan(file)[0].chunks[1].chunk_start_offset + 1000] ^= 0xFF
    file.write_bytes(data)
    recover_bag(bag)
    with BagReader(bag) as reader:
        got = [episode.goal_images_jpeg for episode in reader.episodes()]
    assert got == [{}, goal.images_jpeg]


@pytest.mark.parametrize("record", [Schema, Channel])
def test_a_damaged_definition_costs_the_episodes_that_need_it(tmp_path, make_episode, record):
    trajectory = BagMessage("/robot_1/joint_trajectory", JOINT_TRAJECTORY.type, bytes(20), 0)
    with BagWriter(tmp_path, "robot_1") as writer:
        for number in range(3):
            messages = episode_messages(make_episode(number))
            if number == 1:
                time_ns = messages[0].log_time_ns
                messages.insert(1, trajectory._replace(log_time_ns=time_ns))
            bag = writer.write_episode(messages)
    file = next(bag.glob("*.mcap"))
    contents, _ = scan(file)
    channel = contents.channels[trajectory.topic]
    builder = RecordBuilder()
    (channel if record is Channel else contents.schemas[trajectory.type]).write(builder)
    good = builder.end()
    bad = good[:9] + (1).to_bytes(2, "little") + good[11:]  # the number of another one
    file.write_bytes(file.read_bytes().replace(good, bad))
    assert recover_bag(bag).episodes == 2
    assert numbers(bag) == [0, 2]
    with file.open("rb") as stream:
        records = [r for r in StreamReader(stream).records if isinstance(r, record)]
    assert len({r.id for r in records}) == len({(r.id, repr(r)) for r in records})


def test_the_rest_of_an_episode_behind_a_damaged_block_is_none(tmp_path, make_episode):
    """Blocks of another writer, which need not hold whole episodes."""
    bag = partial_path(tmp_path / "bag_0000")
    bag.mkdir()
    first, second, third = (episode_messages(make_episode(number)) for number in range(3))
    file = McapFile(bag / "bag_0000_0.mcap")
    for messages in (first, second[:1], second[1:], third):
        file.append(messages, sync=False)
    file.abandon()
    data = bytearray(file.path.read_bytes())
    chunks = file.contents.chunks
    data[chunks[1].chunk_start_offset + 60] ^= 0xFF
    file.path.write_bytes(data)
    assert recover_bag(bag).episodes == 2
    with BagReader(tmp_path / "bag_0000") as reader:
        assert [episode.begin.episode_number for episode in reader.episodes()] == [0, 2]
        assert not reader.counts["incomplete"] and not reader.counts["stray_messages"]


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


def test_what_a_second_repair_cuts_is_put_beside_the_first_ones(left_open):
    partial, ends = left_open
    with next(partial.glob("*.mcap")).open("ab") as stream:
        stream.write(b"first")
    bag = recover_bag(partial).bag
    file, aside = next(bag.glob("*.mcap")), bag.with_name(bag.name + recovery.CUT)
    assert aside.read_bytes() == b"first"
    data = file.read_bytes()[: ends[2] + 100]
    file.write_bytes(data)
    assert recover_bag(bag).episodes == 3
    assert aside.read_bytes() == b"first" + data[ends[2] :]


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


def test_a_closed_bag_that_was_damaged_in_the_middle_is_told_and_repaired(bag):
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    chunks = scan(file)[0].chunks
    data[chunks[1].chunk_start_offset + chunks[1].chunk_length // 2] ^= 1
    file.write_bytes(data)
    told = command.check([bag.parent], repair=False)
    assert told["exit_code"] == 1 and len(told["errors"]) == 1
    repaired = command.check([bag.parent], repair=True)
    keys = ("bags", "episodes", "recovered", "set_aside", "errors")
    assert [repaired[k] for k in keys] == [1, 2, 2, 1, []]


def test_a_bag_of_several_files_is_told_and_left_as_it_is(left_open, bag):
    """As `ros2 bag record -d` makes them: a repair would keep one of them alone."""
    partial, _ = left_open
    for folder in (partial, bag):
        shutil.copy(next(folder.glob("*.mcap")), folder / "more_1.mcap")
        (folder / "metadata.yaml").write_text("{")
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        for act in (recover_bag, recovery.inspect_bag):
            with pytest.raises(InputError, match="got 2 .mcap files, expected one"):
                act(folder)
        result = command.check([folder], repair=True)
        assert result["exit_code"] == 1 and "2 .mcap files" in result["errors"][0]
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
