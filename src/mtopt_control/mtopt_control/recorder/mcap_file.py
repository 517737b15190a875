"""An MCAP file that grows by whole blocks of messages: a block is in the file, or it is not.

Built on the records of the `mcap` library. Its writer cannot take back a block that the disk
had no room for; this one can, and it can go on from what a crash left behind.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    Schema,
    Statistics,
    SummaryOffset,
)

from mtopt_control.recorder.message_definitions import ros2msg_definition, type_hash

MAGIC = b"\x89MCAP0\r\n"
RECORD = struct.Struct("<BQ")
MESSAGE = struct.Struct("<BQHIQQ")
_FIELDS = 22
"""Bytes of a message record before its data: channel, sequence, log and publish time."""


class BagMessage(NamedTuple):
    """One message as a bag holds it."""

    topic: str
    type: str
    cdr: bytes
    log_time_ns: int


@dataclass
class Contents:
    """What a file holds up to `end`: all that its summary will tell.

    Attributes:
        cut: Stretches of the file, as `scan` found it, that are none of it: damaged ones and what
            lies behind the last whole block. `end` and all offsets are those without them.
    """

    end: int = 0
    schemas: dict[str, Schema] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    cut: list[slice] = field(default_factory=list)

    @property
    def message_count(self) -> int:
        """Messages in all blocks."""
        return sum(self.counts.values())

    @property
    def start_time_ns(self) -> int:
        """Log time of the first message; 0 without one."""
        return min((c.message_start_time for c in self.chunks), default=0)

    @property
    def end_time_ns(self) -> int:
        """Log time of the last message; 0 without one."""
        return max((c.message_end_time for c in self.chunks), default=0)


class McapFile:
    """An MCAP file open for appending, locked against a second writer.

    Args:
        path: The file; it must not exist, but for `contents`.
        contents: What a file that exists holds, as `scan` found it; what lies behind is cut off.

    Raises:
        FileExistsError: The file exists and `contents` is not given.
        BlockingIOError: Another process writes it.
    """

    def __init__(self, path: Path, contents: Contents | None = None):
        self.path = Path(path)
        # Most of a block is JPEG, which no level makes smaller: a fast one costs 3 % more bytes.
        self._compressor = zstandard.ZstdCompressor(level=-3)
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if contents is None else 0)
        self._fd = os.open(self.path, flags, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.contents = contents or Contents()
            if contents is None:
                builder = RecordBuilder()
                Header("ros2", "mtopt").write(builder)
                self._write(MAGIC + builder.end())
            else:
                os.ftruncate(self._fd, contents.end)
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, messages: Sequence[BagMessage], *, sync: bool) -> None:
        """Appends messages as one block, in their order.

        Args:
            messages: At least one.
            sync: Return only when the disk has it.

        Raises:
            OSError: The disk did not take it: the file is as it was before.
        """
        builder = RecordBuilder()
        schemas, channels = dict(self.contents.schemas), dict(self.contents.channels)
        for topic, type_name in {m.topic: m.type for m in messages}.items():
            if topic not in channels:
                _register(topic, type_name, schemas, channels, builder)
        ids = {topic: channel.id for topic, channel in channels.items()}
        parts, indices, offset = [], defaultdict(list), 0
        for topic, _, cdr, log_time in messages:
            channel = ids[topic]
            head = MESSAGE.pack(Opcode.MESSAGE, _FIELDS + len(cdr), channel, 0, log_time, log_time)
            indices[channel] += (log_time, offset)
            parts += (head, cdr)
            offset += len(head) + len(cdr)
        raw = b"".join(parts)
        data = self._compressor.compress(raw)
        times = [m.log_time_ns for m in messages]
        chunk = Chunk("zstd", data, max(times), min(times), zlib.crc32(raw), len(raw))
        chunk_start = self.contents.end + builder.count
        chunk.write(builder)
        index_start = self.contents.end + builder.count
        offsets = {}
        for channel, times_and_offsets in indices.items():
            offsets[channel] = self.contents.end + builder.count
            builder.write(_message_index(channel, times_and_offsets))
        index = ChunkIndex(
            chunk_length=index_start - chunk_start,
            chunk_start_offset=chunk_start,
            compression="zstd",
            compressed_size=len(data),
            message_end_time=chunk.message_end_time,
            message_index_length=self.contents.end + builder.count - index_start,
            message_index_offsets=offsets,
            message_start_time=chunk.message_start_time,
            uncompressed_size=len(raw),
        )
        self._write(builder.end(), sync=sync)
        self.contents.schemas, self.contents.channels = schemas, channels
        self.contents.chunks.append(index)
        for channel, times_and_offsets in indices.items():
            count = len(times_and_offsets) // 2
            self.contents.counts[channel] = self.contents.counts.get(channel, 0) + count

    def close(self) -> None:
        """Writes the summary, waits for the disk and closes the file.

        Raises:
            OSError: No room for the summary: the file is closed without it (`scan` reads it).
        """
        try:
            self._write(_summary(self.contents), sync=True)
        finally:
            os.close(self._fd)

    def abandon(self) -> None:
        """Closes the file as it is, without a summary."""
        os.close(self._fd)

    def _write(self, data: bytes, *, sync: bool = False) -> None:
        """Appends bytes; takes all of them back where the disk refuses some."""
        try:
            os.lseek(self._fd, self.contents.end, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            if sync:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.contents.end)
            raise
        self.contents.end += len(data)


def _message_index(channel: int, times_and_offsets: list[int]) -> bytes:
    """The record that tells where the messages of one channel lie in a block.

    Packed at once: the `mcap` library writes it number by number.
    """
    size = 8 * len(times_and_offsets)
    return RECORD.pack(Opcode.MESSAGE_INDEX, 6 + size) + struct.pack(
        f"<HI{len(times_and_offsets)}Q", channel, size, *times_and_offsets
    )


def _register(topic, type_name, schemas, channels, builder) -> None:
    """Adds the records of a topic (and of its type) to the tables and to the file."""
    if type_name not in schemas:
        text = ros2msg_definition(type_name).encode()
        schemas[type_name] = Schema(
            data=text, encoding="ros2msg", id=len(schemas) + 1, name=type_name
        )
        schemas[type_name].write(builder)
    metadata = {"offered_qos_profiles": "", "topic_type_hash": type_hash(type_name)}
    channels[topic] = Channel(len(channels) + 1, topic, "cdr", metadata, schemas[type_name].id)
    channels[topic].write(builder)


def _summary(contents: Contents) -> bytes:
    """Everything behind the last block: data end, summary, footer, magic."""
    builder = RecordBuilder()
    DataEnd(0).write(builder)
    data_end = builder.end()
    start = contents.end + len(data_end)
    statistics = Statistics(
        attachment_count=0,
        channel_count=len(contents.channels),
        channel_message_counts=contents.counts,
        chunk_count=len(contents.chunks),
        message_count=contents.message_count,
        message_end_time=contents.end_time_ns,
        message_start_time=contents.start_time_ns,
        metadata_count=0,
        schema_count=len(contents.schemas),
    )
    groups = (
        (Opcode.SCHEMA, contents.schemas.values()),
        (Opcode.CHANNEL, contents.channels.values()),
        (Opcode.STATISTICS, (statistics,)),
        (Opcode.CHUNK_INDEX, contents.chunks),
    )
    offsets = []
    for opcode, records in groups:
        group_start = builder.count
        for record in records:
            record.write(builder)
        if builder.count > group_start:
            offsets.append(SummaryOffset(opcode, start + group_start, builder.count - group_start))
    offset_start = start + builder.count
    for offset in offsets:
        offset.write(builder)
    summary = builder.end()
    crc = zlib.crc32(summary)
    crc = zlib.crc32(struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offset_start), crc)
    Footer(start, offset_start, crc).write(builder)
    return data_end + summary + builder.end() + MAGIC
