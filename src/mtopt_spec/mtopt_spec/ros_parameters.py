"""A node's parameters as a frozen dataclass: declared, checked, read once."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from pathlib import Path
from typing import TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtopt_spec.errors import InputError
from mtopt_spec.resources import share_dir

Parameters = TypeVar("Parameters")

_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple[str, ...]: Parameter.Type.STRING_ARRAY,
    tuple[int, ...]: Parameter.Type.INTEGER_ARRAY,
    tuple[float, ...]: Parameter.Type.DOUBLE_ARRAY,
}


def declare(node: Node, parameters: type[Parameters]) -> Parameters:
    """Declares a parameter for each field and returns their values.

    A field without a default must be set: a forgotten safety value stops the start. In lists of
    strings, empty strings are left out, because a parameter file cannot hold an empty list. Each
    parameter is described (`ros2 param describe`) by the words of the dataclass.

    Raises:
        InputError: One is missing, or of another type than the field.
    """
    hints = typing.get_type_hints(parameters)
    values, words = {}, descriptions(parameters)
    for field in dataclasses.fields(parameters):
        kind = _TYPES[hints[field.name]]
        where = f"parameters of {node.get_fully_qualified_name()}"
        described = ParameterDescriptor(description=words.get(field.name, ""))
        try:
            if field.default is dataclasses.MISSING:
                value = node.declare_parameter(field.name, kind, described).value
                if value is None:
                    raise ParameterUninitializedException(field.name)
            else:
                default = field.default
                default = list(default) or [""] if isinstance(default, tuple) else default
                value = node.declare_parameter(field.name, default, described).value
        except ParameterUninitializedException:
            raise InputError(
                f"parameter {field.name}",
                where=where,
                got="no value",
                expected=kind.name,
                todo=f"set it in params/{node.get_name()}.yaml",
            ) from None
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise InputError(
                f"parameter {field.name}", where=where, got=f"{error}", expected=kind.name
            ) from None
        if kind.name.endswith("_ARRAY"):
            value = tuple(item for item in value if item != "")
        values[field.name] = value
    return parameters(**values)


def descriptions(parameters: type) -> dict[str, str]:
    """Field to its words in `Attributes:` of the class, or of its `DESCRIBED_BY`."""
    words = {}
    for described in (getattr(parameters, "DESCRIBED_BY", parameters), parameters):
        doc = inspect.getdoc(described) or ""
        rows = doc.split("Attributes:\n")[-1] if "Attributes:\n" in doc else ""
        parts = re.split(r"^ {4}(\w+(?:, \w+)*): ", rows, flags=re.MULTILINE)[1:]
        for names, said in zip(parts[::2], parts[1::2]):
            words |= dict.fromkeys(names.split(", "), " ".join(said.split()))
    return words


def installed(path: str, below: str = "") -> Path:
    """A file: as it is when absolute, else below the share folder of mtopt_bringup."""
    return Path(path) if Path(path).is_absolute() else share_dir() / below / path


def robot_of(node: Node) -> str:
    """The robot that a node belongs to: the first part of its namespace.

    Raises:
        InputError: The node has no namespace.
    """
    robot = node.get_namespace().strip("/").split("/")[0]
    if not robot:
        raise InputError(
            "namespace",
            where=f"node {node.get_name()}",
            got="none",
            expected="the robot's name",
            todo="start it with -r __ns:=/robot_1",
        )
    return robot
