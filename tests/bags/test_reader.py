"""What the reader gives, what it leaves out, and what it refuses."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
import yaml

from mtopt_bringup.commands.bags import check
from mtopt_control.recorder.bag_writer import BagWriter, write_metadata
from mtopt_control.recorder.mcap_file import McapFile
from mtopt_control.recorder.mcap_scan import scan
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_learning.bag.reader import BagReader, DamagedBag
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason, Fault

_with = dataclasses.replace
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


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


def test_a_damaged_message_definition_is_refused_and_repaired(bag):
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    text = b"builtin_interfaces/Time stamp"
    data[data.rfind(text)] = ord("$")  # the last copy, in the summary, is the one that is read
    file.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read(bag)
    found = check([bag], repair=True)
    assert (found["episodes"], found["set_aside"], found["errors"]) == (3, 0, [])


def test_a_chunk_that_cannot_be_unpacked_is_refused_and_set_aside(bag):
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    start = scan(file)[0].chunks[1].chunk_start_offset
    data[data.index(ZSTD_MAGIC, start)] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read(bag)
    found = check([bag], repair=True)
    assert (found["episodes"], found["set_aside"], found["errors"]) == (2, 1, [])


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


def _another_format(episode):
    return [m._replace(cdr=m.cdr.replace(b"jpeg", b"png!")) for m in episode_messages(episode)]


def _another_reason(episode):
    return episode_messages(_with(episode, end=_with(episode.end, reason=7)))


def _without_cameras(episode):
    blind = [
        _with(step, observation=_with(step.observation, images_jpeg={})) for step in episode.steps
    ]
    last = _with(episode.last_observation, images_jpeg={})
    begin = _with(episode.begin, camera_names=())
    return episode_messages(_with(episode, begin=begin, steps=tuple(blind), last_observation=last))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_another_format, "camera/image/compressed: got format 'png!', expected jpeg"),
        (_another_reason, "episode/end .*7 is not a valid EndReason"),
        (_without_cameras, "camera_names of episode test-robot_1-0 .*got none"),
    ],
)
def test_a_bag_that_is_whole_and_breaks_the_contract_is_not_repaired(
    tmp_path, make_episode, change, told
):
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(change(make_episode(0)))
    before = {p.name: p.read_bytes() for p in bag.iterdir()}
    with pytest.raises(InputError, match=told) as error:
        read(bag)
    assert not isinstance(error.value, DamagedBag) and "--repair" not in str(error.value)
    found = check([bag], repair=True)
    assert len(found["errors"]) == 1 and found["recovered"] == 0
    assert {p.name: p.read_bytes() for p in bag.iterdir()} == before


def test_joints_that_come_in_messages_of_their_own_are_put_together(tmp_path, make_episode):
    episode = make_episode(0)
    parts = [
        _with(state, names=state.names[part], position=state.position[part],
              velocity=state.velocity[part], effort=state.effort[part])
        for state in episode.joint_states for part in (slice(0, 7), slice(7, 9))
    ]  # fmt: skip
    late = parts.pop(1)  # the fingers are told later than the arm
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(episode_messages(_with(episode, joint_states=tuple(parts))))
    with BagReader(bag, joint_states=True) as reader:
        (got,) = reader.episodes()
    assert got.joint_names == (*episode.joint_states[0].names[:7], *late.names)
    want = np.array([state.position for state in episode.joint_states])
    want[0, 7:] = np.nan
    assert got.joint_position == pytest.approx(want, nan_ok=True)
    assert check([bag], repair=False)["errors"] == []


def _changed(episode, step, **values):
    observation = _with(episode.steps[step].observation, **values)
    steps = list(episode.steps)
    steps[step] = _with(steps[step], observation=observation)
    return _with(episode, steps=tuple(steps))


def _state_not_finite(episode):
    pose = (float("nan"), 0.0, 0.2, 0.0)
    return episode_messages(_changed(episode, 1, tool_pose_bin=pose))


def _action_not_finite(episode):
    steps = list(episode.steps)
    bad = _with(steps[2].commanded, translation_m=(0.0, float("inf"), 0.0))
    steps[2] = _with(steps[2], commanded=bad)
    return episode_messages(_with(episode, steps=tuple(steps)))


def _steps_back_in_time(episode):
    first, second, *rest = episode.steps
    swapped = [
        _with(first, observation=second.observation), _with(second, observation=first.observation)
    ]  # fmt: skip
    return episode_messages(_with(episode, steps=(*swapped, *rest)))


def _more_actions_than_steps(episode):
    return episode_messages(_with(episode, end=_with(episode.end, steps=2)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_state_not_finite, "tool state 1 not finite"),
        (_action_not_finite, "action 2 not finite"),
        (_steps_back_in_time, "stamps that do not rise"),
        (_more_actions_than_steps, "actions of more than its 2 steps"),
    ],
)
def test_an_episode_that_cannot_be_learned_from_is_incomplete(tmp_path, make_episode, change, told):
    with BagWriter(tmp_path, "robot_1") as writer:
        writer.write_episode(change(make_episode(0)))
        bag = writer.write_episode(episode_messages(make_episode(1)))
    episodes, reader = read(bag)
    assert [e.begin.episode_number for e in episodes] == [1]
    assert len(reader.problems) == 1 and told in reader.problems[0]


def test_pictures_of_the_step_before_are_told(tmp_path, make_episode, caplog):
    """Stamps 2 ms behind the tool state's: each observation takes the picture of the last tick."""
    messages = [
        m._replace(cdr=later(m.cdr), log_time_ns=m.log_time_ns + 2_000_000)
        if m.topic.endswith("/camera/image/compressed") else m
        for m in episode_messages(make_episode(1))
    ]  # fmt: skip
    first = next(m for m in messages if m.topic.endswith("/camera/image/compressed"))
    before = first._replace(cdr=later(first.cdr, -200), log_time_ns=first.log_time_ns - 200_000_000)
    begin = messages[0]._replace(log_time_ns=before.log_time_ns)
    messages = [begin, before, *messages[1:]]
    with BagWriter(tmp_path, "robot_1") as writer:
        bag = writer.write_episode(messages)
    found = check([bag], repair=False)
    assert found["picture_age_s"]["wrist"] == {"mean": 0.0, "max": 0.0}
    assert found["picture_age_s"]["shoulder"] == pytest.approx({"mean": 0.198, "max": 0.198})
    assert "camera shoulder are 0.198 s old" in caplog.text and "wrist" not in caplog.text


def later(cdr: bytes, by_ms: int = 2) -> bytes:
    """A message of a later stamp."""
    sec, nanosec = struct.unpack_from("<iI", cdr, 4)
    stamp = sec * 1_000_000_000 + nanosec + by_ms * 1_000_000
    return cdr[:4] + struct.pack("<iI", *divmod(stamp, 1_000_000_000)) + cdr[12:]
