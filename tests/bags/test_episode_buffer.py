"""Which messages belong to an episode, in whatever order they come."""

from __future__ import annotations

import random

import pytest

from mtopt_control.recorder.cdr_fields import episode_step, stamp_ns
from mtopt_control.recorder.episode_buffer import (
    BufferConfig,
    EndedEpisode,
    EpisodeBuffer,
    Refused,
)
from mtopt_control.recorder.ros_episode_messages import episode_messages
from mtopt_spec import bag_topics as topics
from mtopt_spec.interfaces import EndReason, Fault

CONFIG = BufferConfig(history_s=5.0, deadline_s=2.0, max_episode_s=60.0)
ALL_TOPICS = {
    f"/robot_1/{topic.name}": topic
    for topic in (
        topics.ACTION_COMMANDED,
        topics.ACTION_SENT,
        topics.TOOL_STATE,
        topics.JOINT_STATES,
        topics.camera_image("shoulder"),
        topics.camera_image("wrist"),
    )
}


class Feeder:
    """Gives an episode's messages to a buffer as the node would."""

    def __init__(self, buffer):
        self.buffer = buffer

    def feed(self, episode, messages, now_s=0.0):
        for message in messages:
            if message.topic.endswith("episode/begin"):
                self.buffer.begin(episode.begin, message.cdr)
            elif message.topic.endswith("episode/end"):
                self.buffer.end(episode.end, message.cdr, now_s)
            else:
                self.buffer.add(ALL_TOPICS[message.topic], message.cdr)


@pytest.fixture
def feeder():
    return Feeder(EpisodeBuffer("robot_1", CONFIG))


def interleaved(messages):
    """Topics overtake each other; within a topic the order stays."""
    order = random.sample([m.topic for m in messages], len(messages))
    queues = {topic: [m for m in messages if m.topic == topic] for topic in order}
    return [queues[topic].pop(0) for topic in order]


def content(messages):
    return sorted((m.topic, m.log_time_ns) for m in messages)


def test_messages_of_every_order_make_the_same_episode(feeder, make_episode):
    random.seed(3)
    for number in range(6):
        episode = make_episode(number)
        messages = episode_messages(episode)
        shuffled = interleaved(messages)
        feeder.feed(episode, shuffled[:-1])
        assert feeder.buffer.poll(0.1) is None
        feeder.feed(episode, shuffled[-1:])
        complete = feeder.buffer.poll(0.1)
        assert content(complete.messages) == content(messages[:-1])
        assert complete.messages[0].topic.endswith("episode/begin")
        assert complete.end == episode.end


def test_what_is_before_after_or_of_another_episode_is_left_out(feeder, make_episode):
    before, episode, after = (make_episode(n, start_s=n * 0.6) for n in range(3))
    messages = episode_messages(episode)
    for one, its in ((before, episode_messages(before)), (after, episode_messages(after))):
        feeder.feed(one, [m for m in its if "episode/" not in m.topic])
        if one is before:
            feeder.feed(episode, messages[:-1])
    feeder.feed(episode, messages[-1:])
    got = content(feeder.buffer.poll(0.0).messages)
    assert got == content(episode_messages(episode)[:-1])


def test_what_never_comes_is_counted_after_the_deadline(feeder, make_episode):
    episode = make_episode(0)
    messages = episode_messages(episode)
    lost = {("/robot_1/camera/image/compressed", 200_000_000), ("/robot_1/action/sent", 0)}
    feeder.feed(episode, [m for m in messages if (m.topic, m.log_time_ns) not in lost], now_s=10.0)
    assert feeder.buffer.poll(11.9) is None
    ended = feeder.buffer.poll(12.1).end
    assert ended.dropped_frames == 2
    assert (ended.reason, ended.fault) == (EndReason.FAULT, Fault.RECORDER)
    assert ended.fault_msg == "1 actions sent missing, 1 pictures of camera shoulder missing"
    assert not ended.success


def test_a_tick_that_no_action_answered_is_recorded_and_belongs_to_no_step(feeder, make_episode):
    """Where time does not wait, a slow policy lets ticks pass."""
    episode = make_episode(0)
    messages = episode_messages(episode)
    between = next(
        m for m in episode_messages(make_episode(1, start_s=0.1)) if m.topic.endswith("tool_state")
    )
    feeder.feed(episode, [messages[0], between, *messages[1:]])
    ended = feeder.buffer.poll(0.0)
    assert ended.end == episode.end
    assert between.cdr in [m.cdr for m in ended.messages]


def test_a_first_picture_that_is_a_little_older_belongs_to_the_episode(feeder, make_episode):
    earlier, episode = make_episode(0, start_s=9.9), make_episode(1, start_s=10.0)
    shoulder = "/robot_1/camera/image/compressed"
    old = [m for m in episode_messages(earlier) if m.topic == shoulder][:1]
    messages = episode_messages(episode)
    rest = [m for m in messages if (m.topic, m.log_time_ns) != (shoulder, 10_000_000_000)]
    feeder.feed(episode, [*old, *rest])
    complete = feeder.buffer.poll(0.0)
    assert old[0].cdr in [m.cdr for m in complete.messages]
    assert complete.end.dropped_frames == 0
    too_old = make_episode(2, start_s=19.8)
    feeder.feed(too_old, [m for m in episode_messages(too_old) if m.topic == shoulder][:1])
    episode = make_episode(3, start_s=20.0)
    feeder.feed(episode, [m for m in episode_messages(episode) if m.topic != shoulder])
    assert feeder.buffer.poll(0.0) is None


def test_joint_states_on_their_way_are_waited_for(feeder, make_episode):
    episode = make_episode(0)
    messages = episode_messages(episode)
    last = max(
        (m for m in messages if m.topic.endswith("joint_states")), key=lambda m: m.log_time_ns
    )
    feeder.feed(episode, [m for m in messages if m is not last])
    assert feeder.buffer.poll(0.0) is None
    feeder.feed(episode, [last])
    assert content(feeder.buffer.poll(0.0).messages) == content(messages[:-1])


def test_what_is_said_twice_counts_once(feeder, make_episode):
    episode = make_episode(0)
    messages = episode_messages(episode)
    twice = [m for m in messages if "episode/" not in m.topic for _ in range(2)]
    feeder.feed(episode, [messages[0], *twice, messages[-1]])
    assert content(feeder.buffer.poll(0.0).messages) == content(messages[:-1])


def test_all_trajectories_of_a_tick_are_kept(feeder, make_episode):
    """They have no stamp of their own. Time does not wait: two actions are sent within a tick."""
    episode = make_episode(0)
    messages = episode_messages(episode)
    sent = [b"\x00\x01\x00\x00" + bytes(8) + points for points in (b"one", b"two", b"two")]
    feeder.feed(episode, messages[:-1])
    for cdr in sent:
        feeder.buffer.add(topics.JOINT_TRAJECTORY, cdr)
    feeder.feed(episode, messages[-1:])
    kept = [m for m in feeder.buffer.poll(0.0).messages if m.topic.endswith("joint_trajectory")]
    assert [m.cdr for m in kept] == sent
    assert {m.log_time_ns for m in kept} == {messages[-1].log_time_ns}


def test_an_end_without_a_begin_is_refused_and_the_next_is_taken(feeder, make_episode):
    lost, episode = make_episode(0), make_episode(1)
    feeder.feed(lost, episode_messages(lost)[1:], now_s=0.0)
    assert feeder.buffer.poll(1.0) is None
    refused = feeder.buffer.poll(3.0)
    assert isinstance(refused, Refused) and refused.end.episode_id == "test-robot_1-0"
    feeder.feed(episode, episode_messages(episode), now_s=4.0)
    assert isinstance(feeder.buffer.poll(4.0), EndedEpisode)


def test_an_episode_without_an_end_is_given_up(feeder, make_episode):
    dead, episode = make_episode(0), make_episode(1)
    feeder.feed(dead, episode_messages(dead)[:-1])
    feeder.feed(episode, episode_messages(episode))
    assert feeder.buffer.poll(0.0).begin.episode_id == "test-robot_1-1"
    assert feeder.buffer.abandoned == 1


def test_a_simulator_that_starts_anew_does_not_mix_with_the_one_before(feeder, make_episode):
    first, second = make_episode(0, start_s=100.0), make_episode(1, start_s=0.0)
    feeder.feed(first, episode_messages(first)[:-1])
    feeder.feed(second, episode_messages(second))
    complete = feeder.buffer.poll(0.0)
    assert complete.begin.episode_id == "test-robot_1-1"
    assert content(complete.messages) == content(episode_messages(second)[:-1])


@pytest.mark.parametrize("first_s", [0.4, 3.0, 100.0])
@pytest.mark.parametrize("begin_is", ["first", "second"])
def test_runs_of_whatever_length_do_not_mix(feeder, make_episode, first_s, begin_is):
    """Both runs have messages of the same topics and stamps."""
    first = make_episode(0, start_s=first_s, steps=4)
    second = make_episode(1, start_s=first_s - 0.4, steps=6)
    feeder.feed(first, episode_messages(first)[:-1])
    messages = episode_messages(second)
    ahead = messages if begin_is == "first" else [*messages[1:3], messages[0], *messages[3:]]
    feeder.feed(second, ahead)
    feeder.feed(first, episode_messages(first)[-1:], now_s=0.0)
    complete = feeder.buffer.poll(0.0)
    assert complete.begin.episode_id == "test-robot_1-1"
    assert content(complete.messages) == content(messages[:-1])
    assert {m.cdr for m in complete.messages} == {m.cdr for m in messages[:-1]}
    refused = feeder.buffer.poll(0.0)
    assert isinstance(refused, Refused) and "time went back" in refused.problem, "at once"


def test_an_episode_that_time_cut_off_is_refused_at_once_after_another_jump(feeder, make_episode):
    cut_off = make_episode(0, start_s=100.0)
    feeder.feed(cut_off, episode_messages(cut_off)[:-1])
    for start_s in (50.0, 20.0):
        later = make_episode(1, start_s=start_s)
        feeder.feed(later, [m for m in episode_messages(later) if "episode/" not in m.topic])
    feeder.feed(cut_off, episode_messages(cut_off)[-1:], now_s=0.0)
    refused = feeder.buffer.poll(0.0)
    assert isinstance(refused, Refused) and "time went back" in refused.problem


def test_an_episode_that_had_ended_is_kept_when_time_goes_back(feeder, make_episode):
    first, second = make_episode(0, start_s=9.0), make_episode(1, start_s=0.0)
    messages = episode_messages(first)
    stamp = max(m.log_time_ns for m in messages)
    late = [m for m in messages if m.topic.endswith("joint_states") and m.log_time_ns == stamp]
    feeder.feed(first, [m for m in messages if m not in late])
    assert feeder.buffer.poll(0.0) is None, "it waits for what may be on its way"
    feeder.feed(second, episode_messages(second))
    ended = [feeder.buffer.poll(0.0) for _ in range(2)]
    assert [one.begin.episode_id for one in ended] == ["test-robot_1-0", "test-robot_1-1"]
    assert [one.end.reason for one in ended] == [first.end.reason, second.end.reason]


def test_memory_is_bounded_while_a_robot_is_silent(feeder, make_episode):
    dead = make_episode(0)
    feeder.feed(dead, episode_messages(dead)[:-1])
    for number in range(1, 30):
        episode = make_episode(number)
        feeder.feed(episode, [m for m in episode_messages(episode) if "episode/" not in m.topic])
    assert feeder.buffer.abandoned == 1
    assert len(feeder.buffer._heard) < 2 * len(episode_messages(dead))


def test_fields_are_read_from_the_bytes(make_episode):
    for message in episode_messages(make_episode(12, start_s=1234.5, steps=3)):
        if message.topic.endswith("action/sent"):
            step = round((message.log_time_ns - 1234_500_000_000) / 200_000_000)
            assert episode_step(message.cdr) == ("test-robot_1-12", step)
        if "camera_info" not in message.topic:
            assert stamp_ns(message.cdr) == message.log_time_ns
    for bad in (b"", b"\x00\x00" + bytes(20), b"\x00\x01\x00\x00" + b"\xff" * 30):
        with pytest.raises(ValueError):
            stamp_ns(bad)
            episode_step(bad)
