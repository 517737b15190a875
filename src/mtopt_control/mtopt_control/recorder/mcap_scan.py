"""Reads an MCAP file from its start, whether it has an end or not, and past what is damaged."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import zstandard
from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    Header,
    McapRecord,
    MessageIndex,
    Metadata,
    Schema,
)

from mtopt_control.recorder.mcap_file import MAGIC, MESSAGE, RECORD, BagMessage, Contents
from mtopt_spec.bag_topics import EPISODE_BEGIN

_DATA_END = RECORD.pack(Opcode.DATA_END, 4)
_OPCODES = frozenset(Opcode)
_DEFINITIONS = {Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel}
_ZSTD = b"\x04\x00\x00\x00zstd"
_ZSTD_AT = RECORD.size + 28
"""Every chunk of ours names its compression so many bytes behind its start."""
_DAMAGE = (ValueError, KeyError, struct.error, McapError, zstandard.ZstdError)


def scan(path: Path) -> tuple[Contents, list[list[BagMessage]]]:
    """Reads a file from its start, summary or not, and goes on behind what is damaged.

    A block is whole where its checksum, times and index agree with its messages. The first whole
    one behind a damaged one must begin an episode: else it is the rest of one, and cut as well.

    Returns:
        What the file holds once `contents.cut` is cut out, and the messages of each whole block.
    """
    data = Path(path).read_bytes()
    contents, blocks = Contents(), []
    end = contents.end = _head_end(data)
    position = end or len(data)
    types: dict[int, Schema] = {}
    topics: dict[int, Channel] = {}
    damaged: list[slice] = []
    while not _DATA_END.startswith(data[position : position + RECORD.size]):
        opcode, following = _record(data, position)
        try:
            if opcode == Opcode.CHUNK:
                block = _block(data, position, types, topics)
                if damaged and not block.messages[0].topic.endswith(f"/{EPISODE_BEGIN.name}"):
                    raise ValueError("the rest of an episode")
                contents.cut += damaged
                damaged = []
                following = end = block.end
                _add(contents, block, types, topics)
                blocks.append(block.messages)
            elif opcode in _DEFINITIONS:
                _define(_read(_DEFINITIONS[opcode], data, position, following), types, topics)
            elif opcode == Opcode.METADATA:  # rosbag2's own writer has it
                _read(Metadata, data, position, following)
            else:
                raise ValueError(f"opcode {opcode} between blocks")
        except _DAMAGE:
            damaged.append(slice(position, following))
        position = following
    if end < position:
        contents.cut.append(slice(end, position))
    return contents, blocks


class _Block(NamedTuple):
    """A whole block: its messages, how many of each channel, its index, where it ends."""

    messages: list[BagMessage]
    counts: dict[int, int]
    index: ChunkIndex
    end: int


def _record(data: bytes, position: int) -> tuple[int, int]:
    """A record's opcode, and where the next one starts.

    Where there is none, or its length cannot be, that is 0 and the start of the next chunk.
    """
    head = data[position : position + RECORD.size].ljust(RECORD.size, b"\0")
    opcode, length = RECORD.unpack(head)
    following = position + RECORD.size + length
    if opcode in _OPCODES and following <= len(data):
        return opcode, following
    found = data.find(_ZSTD, position + _ZSTD_AT + 1)
    return 0, found - _ZSTD_AT if found >= 0 else len(data)


def _read(kind: type[McapRecord], data: bytes, position: int, following: int):
    """A record of this kind.

    Raises:
        ValueError, McapError, struct.error: It is damaged; written again it would be another.
    """
    record = kind.read(ReadDataStream(BytesIO(data[position + RECORD.size : following])))
    builder = RecordBuilder()
    record.write(builder)
    if builder.end() != data[position:following]:
        raise ValueError(f"{kind.__name__} of another length")
    return record


def _head_end(data: bytes) -> int:
    """Where the records behind a file's header start; 0 for a file without one."""
    following = _record(data, len(MAGIC))[1]
    try:
        _read(Header, data, len(MAGIC), following)
    except _DAMAGE:
        return 0
    return following if data.startswith(MAGIC) else 0


def _block(data: bytes, position: int, types: dict, topics: dict) -> _Block:
    """The chunk at a position and the index behind it.

    Raises:
        ValueError, KeyError, struct.error, McapError, ZstdError: They are damaged.
    """
    _, end = _record(data, position)
    chunk = _read(Chunk, data, position, end)
    messages, places = _messages(chunk, types, topics)
    chunk_length, offsets = end - position, {}
    while len(offsets) < len(places):
        start, (opcode, end) = end, _record(data, end)
        if opcode != Opcode.MESSAGE_INDEX:
            raise ValueError("a block without its index")
        index = _read(MessageIndex, data, start, end)
        if sorted(index.records) != sorted(places[index.channel_id]):
            raise ValueError("index of the block")
        offsets[index.channel_id] = start
    counts = {channel_id: len(own) for channel_id, own in places.items()}
    index = ChunkIndex(
        chunk_length=chunk_length,
        chunk_start_offset=position,
        compression=chunk.compression,
        compressed_size=len(chunk.data),
        message_end_time=chunk.message_end_time,
        message_index_length=end - position - chunk_length,
        message_index_offsets=offsets,
        message_start_time=chunk.message_start_time,
        uncompressed_size=chunk.uncompressed_size,
    )
    return _Block(messages, counts, index, end)


def _add(contents: Contents, block: _Block, types: dict, topics: dict) -> None:
    """Adds a block; its offsets become those in the file without what is cut."""
    shift = sum(part.stop - part.start for part in contents.cut)
    block.index.chunk_start_offset -= shift
    offsets = block.index.message_index_offsets
    block.index.message_index_offsets = {i: offset - shift for i, offset in offsets.items()}
    contents.end = block.end - shift
    contents.chunks.append(block.index)
    for channel_id, count in block.counts.items():
        contents.counts[channel_id] = contents.counts.get(channel_id, 0) + count
    contents.schemas = {s.name: s for s in types.values()}
    contents.channels = {c.topic: c for c in topics.values()}


def _define(record: Schema | Channel, types: dict, topics: dict) -> None:
    """Takes a schema or a channel.

    Raises:
        ValueError: It contradicts an earlier one, or its schema is missing.
    """
    if isinstance(record, Channel) and record.schema_id not in types:
        raise ValueError(f"channel {record.id} without its schema")
    table = topics if isinstance(record, Channel) else types
    if table.setdefault(record.id, record) != record:
        raise ValueError(f"{type(record).__name__} {record.id} with two meanings")


def _messages(chunk: Chunk, types: dict, topics: dict) -> tuple[list[BagMessage], dict]:
    """The messages of a chunk, and the log time and place in it of each channel's.

    Raises:
        ValueError, KeyError, struct.error, McapError, ZstdError: The chunk is damaged.
    """
    if chunk.compression not in ("", "zstd"):
        raise ValueError(f"compression {chunk.compression!r}")
    raw = chunk.data
    if chunk.compression:  # as a stream: a damaged size makes no room for itself
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    if len(raw) != chunk.uncompressed_size or (
        chunk.uncompressed_crc and zlib.crc32(raw) != chunk.uncompressed_crc
    ):
        raise ValueError("checksum of the block")
    messages, places, position = [], defaultdict(list), 0
    while position < len(raw):
        opcode, length = RECORD.unpack_from(raw, position)
        following = position + RECORD.size + length
        if opcode == Opcode.MESSAGE:
            _, _, channel_id, _, log_time, _ = MESSAGE.unpack_from(raw, position)
            channel = topics[channel_id]
            cdr = raw[position + MESSAGE.size : following]
            messages.append(BagMessage(channel.topic, types[channel.schema_id].name, cdr, log_time))
            places[channel_id].append((log_time, position))
        elif opcode in _DEFINITIONS:
            _define(_read(_DEFINITIONS[opcode], raw, position, following), types, topics)
        position = following
    times = [m.log_time_ns for m in messages]
    if (min(times), max(times)) != (chunk.message_start_time, chunk.message_end_time):
        raise ValueError("times of the block")
    return messages, dict(places)
