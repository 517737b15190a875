"""What the reader gives, what it leaves out, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import yaml

from mtopt_control.recorder.bag_writer import BagWriter, write_metadata
from mtopt_control.recorder.mcap_file import McapFile
from mtopt_control.recorder.mcap_scan import scan
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.reader import BagReader
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason, Fault


def read(bag, **options):
    with BagReader(bag) as reader:
        return list(reader.episodes(**options)), reader


def test_an_episode_comes_back_as_it_was(bag, make_episode):
    want = make_episode(2, steps=4)
    with BagReader(bag, joint_states=True) as reader:
        got = list(reader.episodes())[2]
    assert got.begin == want.begin
    assert got.end == want.end
    observations = [*(s.observation for s in want.steps), want.last_observation]
    assert got.state == pytest.approx(np.array([o.state() for o in observations]), abs=1e-6)
    assert got.images_jpeg["shoulder"] == [o.images_jpeg["shoulder"] for o in observations]
    assert got.commanded == pytest.approx(
        np.array([s.commanded.to_vector() for s in want.steps]), abs=1e-6
    )
    assert got.joint_position == pytest.approx(np.array([j.position for j in want.joint_states]))


def test_the_action_is_what_was_sent_with_the_flags_as_commanded(tmp_path, make_episode, write_bag):
    episode = make_episode(0, steps=2)
    step = episode.steps[0]
    commanded = dataclasses.replace(step.commanded, translation_m=(0.05, 0.0, 0.0), close=True)
    sent = dataclasses.replace(commanded, translation_m=(0.02, 0.0, 0.0), close=False)
    step = dataclasses.replace(
        step, commanded=commanded, sent=dataclasses.replace(step.sent, action=sent, clamped=True)
    )
    episode = dataclasses.replace(episode, steps=(step, episode.steps[1]))
    (got,), _ = read(write_bag(tmp_path, [episode])[0])
    assert got.action[0] == pytest.approx([0.02, 0, 0, 0, 1, 1, 0, 0])
    assert got.commanded[0] == pytest.approx([0.05, 0, 0, 0, 1, 1, 0, 0])


def test_void_episodes_are_counted_and_left_out(tmp_path, make_episode, write_bag):
    void = make_episode(1, reason=EndReason.FAULT, fault=Fault.ARM)
    (bag,) = write_bag(tmp_path, [make_episode(0), void, make_episode(2)])
    episodes, reader = read(bag)
    assert [e.begin.episode_number for e in episodes] == [0, 2]
    assert (reader.counts["episodes"], reader.counts["void"]) == (2, 1)
    assert [e.void for e in read(bag, void=True)[0]] == [False, True, False]


@pytest.mark.parametrize(
    "topic", ["tool_state", "camera/image/compressed", "action/sent", "action/commanded"]
)
def test_an_episode_that_lacks_a_message_is_never_read_as_whole(tmp_path, make_episode, topic):
    messages = episode_messages(make_episode(0))
    lacking = next(i for i, m in enumerate(messages) if m.topic == f"/robot_1/{topic}")
    with BagWriter(tmp_path, "robot_1") as writer:
        writer.write_episode(messages[:lacking] + messages[lacking + 1 :])
        bag = writer.write_episode(episode_messages(make_episode(1)))
    episodes, reader = read(bag)
    assert [e.begin.episode_number for e in episodes] == [1]
    assert reader.counts["incomplete"] == 1 and "test-robot_1-0" in reader.problems[0]


def test_a_tick_that_no_action_answered_is_no_observation_of_a_step(tmp_path, make_episode):
    episode = make_episode(0)
    between = episode_messages(make_episode(0, start_s=0.1))
    between = [m for m in between if m.topic.endswith(("tool_state", "compressed"))][:3]
    messages = sorted(
        [*episode_messages(episode)[:-1], *between],
        key=lambda m: (m.log_time_ns, not m.topic.endswith("begin")),
    )
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode([*messages, episode_messages(episode)[-1]])
    ((got,), _), (whole,) = read(bag), [episode]
    assert len(got.stamp_ns) == whole.end.steps + 1
    assert list(got.stamp_ns) == [k * 200_000_000 for k in range(whole.end.steps + 1)]
    for step, image in zip(whole.steps, got.images_jpeg["wrist"], strict=False):
        assert image == step.observation.images_jpeg["wrist"]


def test_a_bag_of_another_schema_is_refused(tmp_path, make_episode, monkeypatch):
    monkeypatch.setattr("mtopt_spec.ros_messages.SCHEMA_VERSION", 99)
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(episode_messages(make_episode(0)))
    with pytest.raises(InputError, match="got version 99, expected version 1"):
        read(bag)


def test_another_type_on_a_topic_is_refused(tmp_path, make_episode):
    messages = [
        m._replace(type="geometry_msgs/msg/PoseStamped") if m.topic.endswith("tool_state") else m
        for m in episode_messages(make_episode(0))
    ]
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(messages)
    with pytest.raises(InputError, match=r"tool_state .*PoseStamped, expected mtopt_msgs"):
        read(bag)


def test_a_bag_of_something_else_is_refused(tmp_path, make_episode, write_bag):
    bag = tmp_path / "other"
    bag.mkdir()
    file = McapFile(bag / "other_0.mcap")
    joints = [m for m in episode_messages(make_episode(0)) if m.topic.endswith("joint_states")]
    file.append([m._replace(topic="/joint_states") for m in joints], sync=False)
    file.close()
    write_metadata(bag, "other_0.mcap", file.contents)
    with pytest.raises(InputError, match="no topic .*episode/begin"):
        read(bag)


def test_an_empty_bag_is_refused(tmp_path):
    bag = tmp_path / "empty"
    bag.mkdir()
    file = McapFile(bag / "empty_0.mcap")
    file.close()
    write_metadata(bag, "empty_0.mcap", file.contents)
    with pytest.raises(InputError, match="got no message, expected episodes"):
        read(bag)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.9, -1])
def test_a_bag_that_is_cut_off_is_refused(bag, keep):
    file = next(bag.glob("*.mcap"))
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match="cut off.*bags check --repair"):
        read(bag)


def test_flipped_bits_and_broken_metadata_are_refused(bag):
    file = next(bag.glob("*.mcap"))
    good = file.read_bytes()
    bad = bytearray(good)
    bad[scan(file)[0].chunks[1].chunk_start_offset + 300] ^= 0x10
    file.write_bytes(bad)
    with pytest.raises(InputError, match="damaged"):
        read(bag)
    file.write_bytes(good)
    (bag / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": {}}))
    with pytest.raises(InputError, match="damaged"):
        read(bag)
    (bag / "metadata.yaml").unlink()
    with pytest.raises(InputError, match="no metadata.yaml"):
        read(bag)
