"""Bags as others read them, and what becomes of them on a full disk."""

from __future__ import annotations

import resource
import subprocess
import sys

import mcap.reader
import mcap_ros2.decoder
import pytest
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState

from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.reader import BagReader
from mtopt_spec import ros_messages
from mtopt_spec.errors import InputError


def counts_of(bag):
    with BagReader(bag) as reader:
        ids = [episode.begin.episode_id for episode in reader.episodes()]
        return ids, reader.counts


def test_rosbags_reads_every_message_of_the_episodes(tmp_path, make_episode):
    episodes = [episode_messages(make_episode(n, steps=2 + n)) for n in range(3)]
    expected = [message for episode in episodes for message in episode]
    with BagWriter(tmp_path, "robot_1") as writer:
        for episode in episodes:
            bag = writer.write_episode(episode)
    with AnyReader([bag]) as reader:
        got = [(c.topic, c.msgtype, raw, t) for c, t, raw in reader.messages()]
        assert sorted(got) == sorted(tuple(m) for m in expected)
        first, last = got[0], got[-1]
        begin = reader.deserialize(first[2], first[1])
        end = reader.deserialize(last[2], last[1])
        joint_state = next(reader.deserialize(g[2], g[1]) for g in got if "joint_states" in g[0])
    assert (begin.episode_id, begin.seed, begin.task) == ("test-robot_1-0", 1000, "lift-any")
    assert (end.episode_id, end.steps, end.labels[1].task) == ("test-robot_1-2", 4, "lift-can")
    assert joint_state.position == pytest.approx(
        make_episode(0, steps=2).joint_states[0].position, abs=0
    )


def test_mcap_reads_the_same_bag_with_its_own_schemas(bag, make_episode):
    episode = make_episode(1, steps=3)
    with next(bag.glob("*.mcap")).open("rb") as stream:
        reader = mcap.reader.make_reader(
            stream, validate_crcs=True, decoder_factories=[mcap_ros2.decoder.DecoderFactory()]
        )
        decoded = [(c.topic, m) for _, c, _, m in reader.iter_decoded_messages()]
        statistics = reader.get_summary().statistics
    assert statistics.message_count == len(decoded)
    pictures = [m for t, m in decoded if t == "/robot_1/wrist_camera/image/compressed"]
    assert bytes(pictures[3].data) == episode.steps[0].observation.images_jpeg["wrist"]
    sent = [m for t, m in decoded if t == "/robot_1/action/sent"]
    assert list(sent[3].target_position) == list(episode.steps[1].sent.target_position)


def test_packed_joint_states_are_those_of_the_messages(make_episode):
    episode = make_episode(7)
    made = [m.cdr for m in episode_messages(episode) if m.topic.endswith("joint_states")]
    assert [deserialize_message(cdr, JointState) for cdr in made] == [
        ros_messages.to_joint_state(state) for state in episode.joint_states
    ]


def test_a_full_bag_and_time_that_goes_back_begin_a_new_one(tmp_path, make_episode, write_bag):
    times = [0.0, 10.0, 20.0, 5.0]
    episodes = [make_episode(n, start_s=t) for n, t in enumerate(times)]
    bags = write_bag(tmp_path, episodes, max_episodes=2)
    assert [b.name for b in bags] == ["bag_0000", "bag_0001", "bag_0002"]
    assert [len(counts_of(b)[0]) for b in bags] == [2, 1, 1]
    assert write_bag(tmp_path, episodes[:1])[0].name == "bag_0003"
    assert not list(tmp_path.rglob("*.partial"))


def test_half_an_episode_is_not_taken(tmp_path, make_episode):
    with BagWriter(tmp_path, "robot_1") as writer:
        with pytest.raises(InputError, match="episode/end last"):
            writer.write_episode(episode_messages(make_episode(0))[:-1])
    assert not list((tmp_path / "robot_1").glob("*"))


def test_an_episode_that_the_disk_refuses_leaves_the_others_whole(tmp_path, make_episode):
    """The limit on a file's size makes the kernel take a part of a block and refuse the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = BagWriter(tmp_path, "robot_1")
    bag = writer.write_episode(episode_messages(make_episode(0)))
    size = next(tmp_path.rglob("*.mcap")).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3000, before[1]))
    try:
        with pytest.raises(OSError):
            writer.write_episode(episode_messages(make_episode(1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert next(tmp_path.rglob("*.mcap")).stat().st_size == size
    writer.write_episode(episode_messages(make_episode(2)))
    writer.close()
    ids, counts = counts_of(bag)
    assert ids == ["test-robot_1-0", "test-robot_1-2"]
    assert counts["incomplete"] == 0


FULL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import make_episode
from mtopt_control.recorder.bag_writer import BagWriter
from mtopt_control.recorder.ros_episode_messages import episode_messages
writer, taken = BagWriter(Path(sys.argv[1]), "robot_1"), []
for number in range(1000):
    try:
        writer.write_episode(episode_messages(make_episode(number, steps=20)))
        taken.append(number)
    except OSError as error:
        print("refused", error.errno)
        break
writer.close()
from mtopt_learning.bag.reader import BagReader
with BagReader(Path(sys.argv[1]) / "robot_1" / "bag_0000") as reader:
    print([e.begin.episode_number for e in reader.episodes()] == taken, len(taken))
"""


def test_a_disk_that_is_full(tmp_path, request):
    """A real file system of 1 MB, mounted in a name space of its own."""
    code = f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c '{FULL_DISK}'"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", code + f" {tmp_path} {request.path.parent}"],
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no name space to mount a small disk in: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    assert lines[0] == "refused 28", done.stderr
    same, count = lines[1].split()
    assert same == "True" and int(count) > 3
