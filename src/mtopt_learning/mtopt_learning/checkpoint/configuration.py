"""Frozen dataclasses to plain data and back; an unknown key is an error."""

from __future__ import annotations

import dataclasses
import typing

from mtopt_spec.errors import InputError

_EXPECTED = {
    int: "a whole number (int)",
    float: "a number, such as 0.001 or 1.0e-3 (YAML takes 1e-3 for text)",
    bool: "true or false",
    str: "text",
}
"""Plain types and what is said where a value is of another."""


def to_plain(config) -> dict:
    """A dataclass as what JSON and YAML can hold."""
    return _plain(dataclasses.asdict(config))


def from_plain(kind: type, data: dict, where: object):
    """The dataclass `kind` of plain data, nested ones included.

    Raises:
        InputError: A key is unknown, a needed one is missing, or a value is refused.
    """
    names = {f.name for f in dataclasses.fields(kind)}
    if not isinstance(data, dict) or not set(data) <= names:
        got = sorted(set(data) - names) if isinstance(data, dict) else type(data).__name__
        raise InputError(
            f"{kind.__name__} settings", where=where, got=got, expected=f"only {sorted(names)}"
        )
    hints = typing.get_type_hints(kind)
    values = {key: _value(key, hints[key], value, where) for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(
            f"{kind.__name__} settings", where=where, got=str(error), expected=f"{sorted(names)}"
        ) from error


def _value(name: str, hint, value, where):
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(name, where=where, got=repr(value), expected="a list")
        inner = typing.get_args(hint)[0]
        return tuple(_value(name, inner, item, where) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if hint in _EXPECTED and type(value) is not hint:
        raise InputError(name, where=where, got=repr(value), expected=_EXPECTED[hint])
    return value


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
