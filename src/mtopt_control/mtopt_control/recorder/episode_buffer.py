"""Which messages belong to an episode, and when it is complete. No ROS, no clock.

Topics overtake each other: the first observation is heard before the begin (which is said once the
policy has answered), the last pictures may come after the end, and so may the begin itself. So a
little of the past is kept, and after the end the buffer waits for what is still on its way.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from mtopt_control.recorder.cdr_fields import episode_step, stamp_ns
from mtopt_control.recorder.mcap_file import BagMessage
from mtopt_spec import bag_topics as topics
from mtopt_spec.completeness import RecordedStamps
from mtopt_spec.episode import EpisodeBegin, EpisodeEnd
from mtopt_spec.interfaces import EndReason, Fault
from mtopt_spec.time_jump import StampWatch

_ACTIONS = (topics.ACTION_COMMANDED.name, topics.ACTION_SENT.name)


@dataclass(frozen=True)
class BufferConfig:
    """How long a buffer keeps and waits.

    Attributes:
        history_s: Messages this much older than the newest are forgotten outside an episode.
        deadline_s: Wall time to wait after an episode's end for messages on their way.
        max_episode_s: An episode without an end after this time of stamps is given up.
    """

    history_s: float = 5.0
    deadline_s: float = 2.0
    max_episode_s: float = 300.0


@dataclass(frozen=True)
class EndedEpisode:
    """An episode ready to be written.

    Attributes:
        begin, end: Its records. Where something never came the end counts it in `dropped_frames`,
            and an episode that is not complete without it ends as a fault of the recorder.
        end_ns: Stamp of the end.
        messages: All in the order of time, begin first, but for the end.
    """

    begin: EpisodeBegin
    end: EpisodeEnd
    end_ns: int
    messages: list[BagMessage] = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """An episode that ended and cannot be written, and why."""

    end: EpisodeEnd
    problem: str


@dataclass(frozen=True)
class _Heard:
    """One message as it came: its topic, stamp and bytes."""

    topic: topics.BagTopic
    stamp_ns: int
    cdr: bytes


@dataclass(frozen=True)
class _Begun:
    """An episode that has begun, and how many late frames there were before it."""

    begin: EpisodeBegin
    heard: _Heard
    late_frames_before: int


@dataclass(frozen=True)
class _Ended:
    """An episode that has ended, and until when its messages are waited for."""

    end: EpisodeEnd
    stamp_ns: int
    give_up_at_s: float


class EpisodeBuffer:
    """Collects the messages of one robot's episodes.

    Args:
        robot: Its namespace.
        config: How long to keep and wait.

    Attributes:
        abandoned: Episodes that were begun and never ended.
    """

    def __init__(self, robot: str, config: BufferConfig = BufferConfig()):
        self._robot = robot
        self._config = config
        self._heard: deque[_Heard] = deque()
        self._newest_ns = 0
        self._tick_ns = 0
        self._infos: dict[str, _Heard] = {}
        self._begun: dict[str, _Begun] = {}
        self._ended: deque[_Ended] = deque()
        self._settled: deque[EndedEpisode | Refused] = deque()
        self._cut_off: set[str] = set()
        self._watch = StampWatch()
        self._late_frames = 0
        self.abandoned = 0

    def add(self, topic: topics.BagTopic, cdr: bytes, *, late: bool = False) -> None:
        """Takes a message of any topic but the episode's begin and end.

        Args:
            topic: Of the contract.
            cdr: Its bytes.
            late: It came after its deadline.

        Raises:
            ValueError: The bytes are no such message.
        """
        stamp = stamp_ns(cdr)
        if topic.name == topics.JOINT_TRAJECTORY.name and stamp == 0:
            stamp = self._tick_ns  # "as soon as received": it has no stamp of its own
        heard = _Heard(topic, stamp, cdr)
        if topic.per == "episode":
            self._infos[topic.name] = heard
            return
        # Actions come from several nodes, which may overtake each other.
        if topic.per != "step" and self._watch.went_back(topic.name, stamp * 1e-9):
            self._begin_anew()
        if topic.per == "tick":
            self._tick_ns = max(self._tick_ns, stamp)
            self._late_frames += late
        self._heard.append(heard)
        self._newest_ns = max(self._newest_ns, stamp)
        self._forget()

    def begin(self, begin: EpisodeBegin, cdr: bytes) -> None:
        """An episode begins."""
        heard = _Heard(topics.EPISODE_BEGIN, stamp_ns(cdr), cdr)
        went_back = self._watch.went_back(topics.EPISODE_BEGIN.name, heard.stamp_ns * 1e-9)
        # It may overtake the first observation of a time that began anew.
        if went_back or heard.stamp_ns < self._newest_ns - self._config.history_s * 1e9:
            self._begin_anew()
        self._begun[begin.episode_id] = _Begun(begin, heard, self._late_frames)

    def end(self, end: EpisodeEnd, cdr: bytes, now_s: float) -> None:
        """An episode ends; `poll` gives it once it is complete."""
        self._ended.append(_Ended(end, stamp_ns(cdr), now_s + self._config.deadline_s))

    def poll(self, now_s: float) -> EndedEpisode | Refused | None:
        """The oldest episode that ended, once all of it is there or the deadline has passed."""
        if self._settled:
            return self._settled.popleft()
        return self._oldest(now_s)

    def _oldest(self, now_s: float) -> EndedEpisode | Refused | None:
        if not self._ended:
            return None
        ended = self._ended[0]
        overdue = now_s >= ended.give_up_at_s
        begun = self._begun.get(ended.end.episode_id)
        if begun is None:
            cut_off = ended.end.episode_id in self._cut_off
            if not overdue and not cut_off:
                return None
            self._ended.popleft()
            self._cut_off.discard(ended.end.episode_id)
            problem = "time went back in it" if cut_off else "its begin was not heard"
            return Refused(ended.end, problem)
        messages = self._own_messages(begun, ended)
        recorded = self._recorded(begun.begin, ended, messages)
        lacking = recorded.lacking()
        if not overdue and (lacking or not self._stream_is_past(ended.stamp_ns)):
            return None
        self._ended.popleft()
        for episode_id in list(self._begun):  # it, and those begun before it that never ended
            del self._begun[episode_id]
            if episode_id == ended.end.episode_id:
                break
            self.abandoned += 1
        end = replace(
            ended.end,
            dropped_frames=ended.end.dropped_frames + sum(lacking.values()),
            late_frames=ended.end.late_frames + self._late_frames - begun.late_frames_before,
        )
        problem = recorded.problem()
        if problem and end.reason != EndReason.FAULT:
            end = replace(
                end, reason=EndReason.FAULT, fault=Fault.RECORDER, fault_msg=problem, success=False
            )
        infos = [
            # a calibration holds from the begin on
            replace(self._infos[name], stamp_ns=begun.heard.stamp_ns)
            for name in (topics.camera_info(camera).name for camera in begun.begin.camera_names)
            if name in self._infos
        ]
        ordered = [begun.heard, *infos, *sorted(messages, key=lambda m: m.stamp_ns)]
        bagged = [self._bagged(m) for m in ordered]
        return EndedEpisode(begun.begin, end, ended.stamp_ns, bagged)

    def _begin_anew(self) -> None:
        """Time went back: nothing of before is on its way, and none of it is mixed with what comes.

        What has ended by then is settled with what has come of it.
        """
        self._watch = StampWatch()
        while self._ended:
            self._settled.append(self._oldest(float("inf")))
        self.abandoned += len(self._begun)
        self._cut_off |= set(self._begun)
        self._begun.clear()
        self._heard.clear()
        self._newest_ns = self._tick_ns = 0

    def _forget(self) -> None:
        """Drops what no episode can want any more."""
        for episode_id, begun in list(self._begun.items()):
            if self._newest_ns - begun.heard.stamp_ns < self._config.max_episode_s * 1e9:
                break
            del self._begun[episode_id]
            self.abandoned += 1
        oldest = self._newest_ns - self._config.history_s * 1e9
        for begun in self._begun.values():
            oldest = min(oldest, begun.heard.stamp_ns)
        while self._heard and self._heard[0].stamp_ns < oldest:
            self._heard.popleft()

    def _own_messages(self, begun: _Begun, ended: _Ended) -> list[_Heard]:
        """Messages from the begin's stamp to the end's, actions of this episode's steps only.

        What was said twice (an observation shown again to a silent robot) counts once, but for
        trajectories: all that were sent within a tick have its stamp. Where the first observation
        took a picture that is older than itself, by less than a period (time does not wait for
        cameras), that picture belongs to the episode, from its begin on.
        """
        begin_ns = begun.heard.stamp_ns
        oldest_ns = begin_ns - round(begun.begin.control_period_s * 1e9)
        pictures = {topics.camera_image(camera).name for camera in begun.begin.camera_names}
        before: dict[str, _Heard] = {}
        steps = {(ended.end.episode_id, step) for step in range(ended.end.steps)}
        own: dict[tuple[str, int], _Heard] = {}
        trajectories: list[_Heard] = []
        for heard in self._heard:
            if begun.heard.stamp_ns <= heard.stamp_ns <= ended.stamp_ns and (
                heard.topic.name not in _ACTIONS or episode_step(heard.cdr) in steps
            ):
                if heard.topic.name == topics.JOINT_TRAJECTORY.name:
                    trajectories.append(heard)
                else:
                    own.setdefault((heard.topic.name, heard.stamp_ns), heard)
            elif heard.topic.name in pictures and oldest_ns < heard.stamp_ns < begin_ns:
                before[heard.topic.name] = heard
        for name, heard in before.items():
            if (name, begin_ns) not in own:
                own[name, begin_ns] = replace(heard, stamp_ns=begin_ns)
        return [*own.values(), *trajectories]

    @staticmethod
    def _recorded(begin: EpisodeBegin, ended: _Ended, messages: list[_Heard]) -> RecordedStamps:
        """What has come of an episode."""
        stamps: dict[str, list[int]] = {}
        steps: dict[str, dict[int, int]] = {name: {} for name in _ACTIONS}
        for heard in messages:
            stamps.setdefault(heard.topic.name, []).append(heard.stamp_ns)
            if heard.topic.name in steps:
                steps[heard.topic.name][episode_step(heard.cdr)[1]] = heard.stamp_ns
        return RecordedStamps(
            ended.end.steps,
            ended.stamp_ns,
            round(begin.control_period_s * 1e9),
            steps[topics.ACTION_COMMANDED.name],
            steps[topics.ACTION_SENT.name],
            stamps.get(topics.TOOL_STATE.name, ()),
            {
                camera: stamps.get(topics.camera_image(camera).name, ())
                for camera in begin.camera_names
            },
        )

    def _stream_is_past(self, end_ns: int) -> bool:
        """A joint state of the end's time or later has come, so none of before is on its way."""
        name = topics.JOINT_STATES.name
        return any(h.topic.name == name and h.stamp_ns >= end_ns for h in reversed(self._heard))

    def _bagged(self, heard: _Heard) -> BagMessage:
        name = f"/{self._robot}/{heard.topic.name}"
        return BagMessage(name, heard.topic.type, heard.cdr, heard.stamp_ns)
