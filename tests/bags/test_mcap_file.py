"""The index of a block leads to every message of it."""

import zstandard
from mcap.records import Chunk, MessageIndex
from mcap.stream_reader import StreamReader

from mtopt_control.recorder.mcap_file import MESSAGE, BagMessage, McapFile


def test_the_index_leads_to_every_message(tmp_path):
    messages = [
        BagMessage("/r/tool_state", "mtopt_msgs/msg/ToolState", b"tool" * 3, 5),
        BagMessage("/r/joint_states", "sensor_msgs/msg/JointState", b"joints", 5),
        BagMessage("/r/tool_state", "mtopt_msgs/msg/ToolState", b"", 2**40),
    ]
    file = McapFile(tmp_path / "bag.mcap")
    file.append(messages, sync=False)
    file.close()
    with (tmp_path / "bag.mcap").open("rb") as stream:
        records = list(StreamReader(stream, emit_chunks=True).records)
    (chunk,) = (record for record in records if isinstance(record, Chunk))
    raw = zstandard.decompress(chunk.data)
    topics = {channel.id: topic for topic, channel in file.contents.channels.items()}
    found = []
    for index in (record for record in records if isinstance(record, MessageIndex)):
        for time_ns, offset in index.records:
            _, length, channel, _, log_time_ns, _ = MESSAGE.unpack_from(raw, offset)
            assert (channel, log_time_ns) == (index.channel_id, time_ns)
            cdr = raw[offset + MESSAGE.size : offset + 9 + length]
            found.append((topics[channel], cdr, time_ns))
    by_topic = (messages[0], messages[2], messages[1])
    assert found == [(m.topic, m.cdr, m.log_time_ns) for m in by_topic]
