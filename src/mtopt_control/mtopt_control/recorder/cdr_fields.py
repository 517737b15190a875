"""The few fields of serialised messages that the recorder sorts by, without decoding them.

Every message of the bag contract begins with a `std_msgs/Header`. In CDR (little endian) that is,
after four bytes of encapsulation: seconds (int32), nanoseconds (uint32), the frame's name as a
string (uint32 length with the closing zero, bytes, zero).
"""

from __future__ import annotations

import struct

_LITTLE_ENDIAN = (b"\x00\x01", b"\x00\x07")
_STAMP = struct.Struct("<iI")
_LENGTH = struct.Struct("<I")
_NANOSECONDS = 1_000_000_000


def stamp_ns(cdr: bytes) -> int:
    """The header's stamp.

    Raises:
        ValueError: The bytes are too short or big endian.
    """
    if len(cdr) < 12 or cdr[:2] not in _LITTLE_ENDIAN:
        raise ValueError(f"no little-endian CDR message with a header: {cdr[:12].hex()}")
    sec, nanosec = _STAMP.unpack_from(cdr, 4)
    return sec * _NANOSECONDS + nanosec


def with_stamp(cdr: bytes, stamp_ns: int) -> bytes:
    """The same little-endian message with another stamp in its header."""
    return cdr[:4] + _STAMP.pack(*divmod(stamp_ns, _NANOSECONDS)) + cdr[12:]


def episode_step(cdr: bytes) -> tuple[str, int]:
    """Episode id and step index of an `ActionCommanded` or `ActionSent`.

    Raises:
        ValueError: The bytes are too short.
    """
    try:
        position = 12 + 4 + _LENGTH.unpack_from(cdr, 12)[0]
        position += -position % 4
        length = _LENGTH.unpack_from(cdr, position)[0]
        text = bytes(cdr[position + 4 : position + 3 + length]).decode()
        position += 4 + length
        position += position % 2
        return text, struct.unpack_from("<H", cdr, position)[0]
    except struct.error as error:
        raise ValueError(f"no action message: {error}") from error
