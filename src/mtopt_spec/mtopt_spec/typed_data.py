"""A dataclass of plain data, such as a YAML file holds: every field, each of its own type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import get_args, get_origin, get_type_hints

from mtopt_spec.errors import InputError


def filled(kind, data: object, where: object):
    """The dataclass `kind` of a mapping that has exactly its fields.

    Fields are texts, finite numbers, tuples and mappings of them, and such dataclasses.

    Args:
        kind: The dataclass.
        data: The mapping; its lists become tuples.
        where: It was found.

    Raises:
        InputError: A field is missing, one is unknown, or one is not of its type.
    """
    names = {field.name for field in fields(kind)}
    if not isinstance(data, Mapping):
        raise InputError(
            f"{kind.__name__}", where=where, got=type(data).__name__, expected="a mapping"
        )
    if set(data) != names:
        missing, unknown = sorted(names - set(data)), sorted(map(str, set(data) - names))
        raise InputError(
            f"{kind.__name__}", where=where, got=f"missing {missing}, unknown {unknown}",
            expected="every field",
        )  # fmt: skip
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], data[name], name, where) for name in sorted(names)})


def _value(hint, data: object, name: str, where: object):
    if is_dataclass(hint):
        return filled(hint, data, f"{where}, {name}")
    kinds = get_args(hint)
    if get_origin(hint) is tuple and isinstance(data, list):
        kinds = kinds[:1] * len(data) if kinds[-1] is Ellipsis else kinds
        if len(kinds) == len(data):
            return tuple(_value(kind, item, name, where) for kind, item in zip(kinds, data))
    if kinds and get_origin(hint) is not tuple and isinstance(data, Mapping):
        return {key: _value(kinds[1], item, f"{name} {key}", where) for key, item in data.items()}
    if hint is str and isinstance(data, str) and data:
        return data
    if hint is float and type(data) in (int, float) and math.isfinite(data):
        return data
    raise InputError(name, where=where, got=repr(data), expected=_words(hint))


def _words(hint) -> str:
    kinds = get_args(hint)
    if get_origin(hint) is tuple:
        count = "" if kinds[-1] is Ellipsis else f"{len(kinds)} of "
        return f"a list, {count}{_words(kinds[0])}"
    if kinds:
        return "a mapping"
    return {str: "a text", float: "a finite number"}[hint]
