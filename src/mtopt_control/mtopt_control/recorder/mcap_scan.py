"""Reads an MCAP file from its start, as far as it is whole, whether it has an end or not."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, MessageIndex, Schema

from mtopt_control.recorder.mcap_file import MAGIC, MESSAGE, RECORD, BagMessage, Contents


def scan(path: Path) -> tuple[Contents, list[list[BagMessage]]]:
    """Reads a file from its start, summary or not, up to the last whole block.

    Returns:
        What it holds, and the messages of each block. Bytes of the file behind `contents.end`
        are either a summary or cut off.
    """
    data = Path(path).read_bytes()
    contents, blocks = Contents(), []
    if not data.startswith(MAGIC):
        return contents, blocks
    types, topics = {}, {}
    position = len(MAGIC)
    pending: ChunkIndex | None = None
    messages: list[BagMessage] = []
    while position + RECORD.size <= len(data):
        opcode, length = RECORD.unpack_from(data, position)
        body, following = position + RECORD.size, position + RECORD.size + length
        if following > len(data) or opcode in (Opcode.DATA_END, Opcode.FOOTER, 0):
            break
        stream = ReadDataStream(BytesIO(data[body:following]))
        try:
            if opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                types[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                channel = Channel.read(stream)
                topics[channel.id] = channel
            elif opcode == Opcode.CHUNK:
                chunk = Chunk.read(stream)
                messages = _messages(chunk, topics, types)
                pending = ChunkIndex(
                    chunk_length=following - position,
                    chunk_start_offset=position,
                    compression=chunk.compression,
                    compressed_size=len(chunk.data),
                    message_end_time=chunk.message_end_time,
                    message_index_length=0,
                    message_index_offsets={},
                    message_start_time=chunk.message_start_time,
                    uncompressed_size=chunk.uncompressed_size,
                )
            elif opcode == Opcode.MESSAGE_INDEX and pending is not None:
                channel_id = MessageIndex.read(stream).channel_id
                pending.message_index_offsets[channel_id] = position
                pending.message_index_length += following - position
        except (ValueError, KeyError, struct.error, zstandard.ZstdError):
            break
        position = following
        if opcode == Opcode.HEADER:
            contents.end = position
        if pending is not None and len(pending.message_index_offsets) == len(
            {m.topic for m in messages}
        ):
            contents.end = position
            contents.chunks.append(pending)
            for message in messages:
                channel_id = next(i for i, c in topics.items() if c.topic == message.topic)
                contents.counts[channel_id] = contents.counts.get(channel_id, 0) + 1
            contents.schemas = {s.name: s for s in types.values()}
            contents.channels = {c.topic: c for c in topics.values()}
            blocks.append(messages)
            pending = None
    return contents, blocks


def _messages(chunk: Chunk, topics: dict, types: dict) -> list[BagMessage]:
    """The messages of a block.

    Raises:
        ValueError: The block is damaged.
    """
    if chunk.compression not in ("", "zstd"):
        raise ValueError(f"compression {chunk.compression!r}")
    raw = chunk.data
    if chunk.compression:
        raw = zstandard.ZstdDecompressor().decompress(raw, max_output_size=chunk.uncompressed_size)
    if len(raw) != chunk.uncompressed_size or (
        chunk.uncompressed_crc and zlib.crc32(raw) != chunk.uncompressed_crc
    ):
        raise ValueError("checksum of the block")
    messages, position = [], 0
    while position < len(raw):
        opcode, length = RECORD.unpack_from(raw, position)
        following = position + RECORD.size + length
        if opcode == Opcode.MESSAGE:
            _, _, channel_id, _, log_time, _ = MESSAGE.unpack_from(raw, position)
            channel = topics[channel_id]
            cdr = raw[position + MESSAGE.size : following]
            messages.append(BagMessage(channel.topic, types[channel.schema_id].name, cdr, log_time))
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            stream = ReadDataStream(BytesIO(raw[position + RECORD.size : following]))
            record = (Schema if opcode == Opcode.SCHEMA else Channel).read(stream)
            (types if opcode == Opcode.SCHEMA else topics)[record.id] = record
        position = following
    return messages
