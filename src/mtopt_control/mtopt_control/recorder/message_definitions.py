"""The text and the hash of a message type, as a bag carries them for any reader to decode it."""

from __future__ import annotations

import functools
import json
import re

from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir

_SEPARATOR = "=" * 80
_FIELD = re.compile(r"^(?P<type>[A-Za-z][\w/]*)(<=\d+)?(\[[^\]]*\])?\s+[a-z]\w*")
_PRIMITIVES = frozenset(
    "bool byte char float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 "
    "string wstring".split()
)


@functools.cache
def ros2msg_definition(type_name: str) -> str:
    """The definition of `package/msg/Name` followed by those of all types that it contains.

    Raises:
        InputError: A definition is not installed.
    """
    parts = [_definition(type_name)]
    done, waiting = {type_name}, _contained(type_name, parts[0])
    while waiting:
        name = waiting.pop(0)
        if name in done:
            continue
        done.add(name)
        text = _definition(name)
        package, _, short = name.split("/")
        parts.append(f"{_SEPARATOR}\nMSG: {package}/{short}\n{text}")
        waiting += _contained(name, text)
    return "\n".join(parts)


@functools.cache
def type_hash(type_name: str) -> str:
    """The type's RIHS01 hash; empty where the installed package does not tell it."""
    package, _, short = type_name.split("/")
    path = share_dir(package) / "msg" / f"{short}.json"
    if not path.is_file():
        return ""
    hashes = json.loads(path.read_text()).get("type_hashes", [])
    return next((h["hash_string"] for h in hashes if h["type_name"] == type_name), "")


def _definition(type_name: str) -> str:
    parts = type_name.split("/")
    if len(parts) != 3 or parts[1] != "msg":
        raise InputError(
            "message type", where="bag topics", got=type_name, expected="package/msg/Name"
        )
    path = share_dir(parts[0]) / "msg" / f"{parts[2]}.msg"
    if not path.is_file():
        raise InputError(
            f"definition of {type_name}", where=path, got="no file", expected="the .msg file"
        )
    return path.read_text().rstrip() + "\n"


def _contained(type_name: str, text: str) -> list[str]:
    """Full names of the message types that a definition's fields use, in order."""
    names = []
    for line in text.splitlines():
        match = _FIELD.match(line.split("#")[0].strip())
        if not match or match["type"] in _PRIMITIVES:
            continue
        parts = match["type"].split("/")
        if parts == ["Header"]:
            parts = ["std_msgs", "Header"]
        package = parts[0] if len(parts) > 1 else type_name.split("/")[0]
        names.append(f"{package}/msg/{parts[-1]}")
    return names
