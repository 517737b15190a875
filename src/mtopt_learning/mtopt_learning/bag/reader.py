"""Reads the episodes of a bag as numpy arrays."""

from __future__ import annotations

import contextlib
import functools
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtopt_learning.bag.collected_episode import (
    IMAGE_ENDING,
    BagEpisode,
    CollectedEpisode,
    stamp_ns,
)
from mtopt_spec import bag_topics as topics
from mtopt_spec.episode import SCHEMA_VERSION, EpisodeBegin, EpisodeEnd
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason, Fault, TaskLabel

_REPAIR = "`mtopt bags check --repair` "
_FIXED_TYPES = {
    topic.name: topic.type
    for topic in (
        topics.EPISODE_BEGIN,
        topics.EPISODE_END,
        topics.ACTION_COMMANDED,
        topics.ACTION_SENT,
        topics.TOOL_STATE,
        topics.JOINT_STATES,
        topics.JOINT_TRAJECTORY,
    )
}
_IMAGE_TYPE = topics.camera_image("shoulder").type


class DamagedBag(InputError):
    """A bag whose bytes or metadata cannot be read: not one that says what it must not."""


class BagReader:
    """Reads one bag; use it as a context manager.

    Args:
        path: Folder of the bag.
        joint_states: Read the joint states too.

    Attributes:
        counts: After `episodes()`: `episodes` yielded, `void` and `incomplete` ones left out, and
            `dropped_frames`, `late_frames` that complete and void ones report.
        problems: Why episodes were incomplete, in words.

    Raises:
        DamagedBag: The bag is cut off, or without metadata.
        InputError: It is empty, of another schema, or a topic has another type.
    """

    def __init__(self, path: Path, *, joint_states: bool = False):
        self.path = Path(path)
        self.counts: Counter = Counter()
        self.problems: list[str] = []
        with _parsing(self.path):
            self._reader = _open(self.path)
            try:
                self._typestore, self._wanted = _check_topics(self.path, self._reader, joint_states)
            except BaseException:
                self._reader.close()
                raise

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_) -> None:
        self._reader.close()

    def episodes(self, *, void: bool = False) -> Iterator[BagEpisode]:
        """Yields the complete episodes in the order of time.

        Args:
            void: Yield complete episodes that ended by a fault too.

        Raises:
            DamagedBag: The bag holds damaged bytes.
            InputError: It holds no episode, one of another schema, or a message that says what
                the contract does not know.
        """
        self.counts.clear()
        self.problems.clear()
        collected: dict[str, CollectedEpisode] = {}
        with _parsing(self.path):
            for connection, _, raw in self._reader.messages(self._wanted):
                robot, _, name = connection.topic.strip("/").partition("/")
                if name.endswith(IMAGE_ENDING):  # most bytes by far: not decoded field by field
                    if robot in collected:
                        where = self.path, connection.topic
                        collected[robot].add_picture(name, *_stamp_and_picture(raw, where))
                    continue
                message = self._typestore.deserialize_cdr(raw, connection.msgtype)
                with _contract(self.path, connection.topic):
                    episode = self._take(collected, robot, name, message)
                if episode is not None and (void or not episode.void):
                    yield episode
        for unfinished in collected.values():
            self._cut_short(unfinished)
        if not any(self.counts[key] for key in ("episodes", "void", "incomplete")):
            raise InputError("bag", where=self.path, got="no episode", expected="episodes")

    def _take(
        self, collected: dict[str, CollectedEpisode], robot: str, name: str, message
    ) -> BagEpisode | None:
        """Takes a message that is no picture; gives the complete episode that it ends."""
        if name == topics.EPISODE_BEGIN.name:
            self._cut_short(collected.pop(robot, None))
            collected[robot] = CollectedEpisode(_begin(self.path, message))
        elif robot not in collected:
            self.counts["stray_messages"] += 1
        elif name == topics.EPISODE_END.name:
            return self._finish(collected.pop(robot), _end(message), stamp_ns(message))
        else:
            collected[robot].add(name, message)
        return None

    def _finish(
        self, collected: CollectedEpisode, end: EpisodeEnd, end_ns: int
    ) -> BagEpisode | None:
        """The episode, and its count; None for an incomplete one."""
        self.counts["dropped_frames"] += end.dropped_frames
        self.counts["late_frames"] += end.late_frames
        problem = collected.problem(end, end_ns)
        if problem is not None and end.reason != EndReason.FAULT:
            self.counts["incomplete"] += 1
            self.problems.append(f"{end.episode_id}: {problem}")
            return None
        self.counts["void" if end.reason == EndReason.FAULT else "episodes"] += 1
        return None if problem is not None else collected.episode(end, end_ns)

    def _cut_short(self, collected: CollectedEpisode | None) -> None:
        if collected is not None:
            self.counts["incomplete"] += 1
            self.problems.append(f"{collected.begin.episode_id}: without its end")


def _open(path: Path) -> Reader:
    if not (path / "metadata.yaml").is_file():
        raise DamagedBag(
            "bag",
            where=path,
            got="no metadata.yaml",
            expected="a closed rosbag2 folder",
            todo=_REPAIR + "closes bags that a crash left open",
        )
    reader = Reader(path)
    reader.open()
    return reader


@contextlib.contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Tells whatever goes wrong with foreign bytes, which can raise anything, as `DamagedBag`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise DamagedBag(
            "bag",
            where=path,
            got=f"damaged or cut off ({error})",
            expected="a whole rosbag2 folder",
            todo=_REPAIR + "keeps the episodes that are whole",
        ) from error


@contextlib.contextmanager
def _contract(path: Path, topic: str) -> Iterator[None]:
    """Tells of a message that could be read and is not what the contract says."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, ValueError) as error:
        raise InputError(
            f"message on {topic}", where=path, got=error, expected="what docs/bags.md says"
        ) from error


def _check_topics(
    path: Path, reader: Reader, joint_states: bool
) -> tuple[Typestore, list[Connection]]:
    """A type store with the bag's own definitions, and the connections to read."""
    wanted, seen = [], set()
    unread = {topics.JOINT_TRAJECTORY.name} | (
        set() if joint_states else {topics.JOINT_STATES.name}
    )
    for connection in reader.connections:
        _, _, name = connection.topic.strip("/").partition("/")
        expected = _FIXED_TYPES.get(name, _IMAGE_TYPE if name.endswith(IMAGE_ENDING) else None)
        if expected is None:
            continue
        if connection.msgtype != expected:
            raise InputError(
                f"type of topic {connection.topic}",
                where=path,
                got=connection.msgtype,
                expected=expected,
            )
        seen.add(name)
        if name in unread:
            continue
        wanted.append(connection)
    if not reader.message_count:
        raise InputError("bag", where=path, got="no message", expected="episodes")
    lacking = {topics.EPISODE_BEGIN.name, topics.EPISODE_END.name} - seen
    if lacking:
        raise InputError(
            "bag",
            where=path,
            got=f"no topic {sorted(lacking)}",
            expected="an mtopt bag: see docs/bags.md",
        )
    definitions = {connection.msgtype: connection.msgdef.data for connection in wanted}
    return _typestore(tuple(sorted(definitions.items()))), wanted


@functools.lru_cache(maxsize=8)
def _typestore(definitions: tuple[tuple[str, str], ...]) -> Typestore:
    """A type store of these types; bags of one release share it, for making one takes a while."""
    typestore = get_typestore(Stores.EMPTY)
    for type_name, text in definitions:
        types = get_types_from_msg(text, type_name)
        typestore.register({k: v for k, v in types.items() if k not in typestore.types})
    return typestore


def _stamp_and_picture(cdr: bytes, where: tuple[Path, str]) -> tuple[int, bytes]:
    """Stamp (ns) and data of a `sensor_msgs/CompressedImage`, little endian CDR.

    Args:
        cdr: Its bytes.
        where: Its bag and topic, for errors.

    Raises:
        ValueError: It is none.
        InputError: It is no JPEG.
    """
    sec, nanosec, length = struct.unpack_from("<iII", cdr, 4)  # header: stamp, frame's name
    position = 16 + length
    position += -position % 4
    length = struct.unpack_from("<I", cdr, position)[0]
    picture_format = cdr[position + 4 : position + 3 + length]
    position += 4 + length
    position += -position % 4
    length = struct.unpack_from("<I", cdr, position)[0]
    picture = cdr[position + 4 : position + 4 + length]
    if cdr[1] not in (1, 7) or len(picture) != length:
        raise ValueError("a picture that is not whole")
    if b"jp" not in picture_format.lower():
        raise InputError(
            "picture", where=": ".join(map(str, where)),
            got=f"format {picture_format[:40].decode(errors='replace')!r}", expected="jpeg",
        )  # fmt: skip
    return sec * 1_000_000_000 + nanosec, picture


def _begin(path: Path, message) -> EpisodeBegin:
    if message.schema_version != SCHEMA_VERSION:
        raise InputError(
            f"schema of episode {message.episode_id}",
            where=path,
            got=f"version {message.schema_version}",
            expected=f"version {SCHEMA_VERSION}",
            todo="read it with the mtopt release that wrote it",
        )
    if not message.camera_names:
        raise InputError(
            f"camera_names of episode {message.episode_id}", where=path, got="none",
            expected="one or more: a policy acts by pictures",
        )  # fmt: skip
    return EpisodeBegin(
        stamp_ns(message) / 1e9,
        message.robot,
        message.episode_id,
        message.episode_number,
        message.seed,
        message.task,
        message.policy,
        message.checkpoint,
        message.control_period_s,
        tuple(message.camera_names),
    )


def _end(message) -> EpisodeEnd:
    return EpisodeEnd(
        stamp_ns(message) / 1e9,
        message.episode_id,
        EndReason(message.reason),
        Fault(message.fault),
        message.fault_msg,
        message.steps,
        message.success,
        message.success_probability,
        message.success_source,
        tuple(TaskLabel(m.task, m.success, m.probability, m.source) for m in message.labels),
        message.dropped_frames,
        message.late_frames,
    )
