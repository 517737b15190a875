"""The node graph as command lines of processes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from mtopt_bringup.graph import NodeProcess
from mtopt_bringup.supervisor import ProcessSpec
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside


def process_specs(graph: Iterable[NodeProcess], folder: Path) -> list[ProcessSpec]:
    """Writes each process's own parameters into `folder` and gives its command line."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_spec(node, folder) for node in graph]


def _spec(node: NodeProcess, folder: Path) -> ProcessSpec:
    if importlib.util.find_spec(node.package) is None or node.components:
        raise InputError(
            "process", where=node.name, got=node.executable, expected="a node of this workspace",
            todo="start it with `ros2 launch mtopt_bringup cell.launch.py`",
        )  # fmt: skip
    argv = [sys.executable, "-m", node.module, *node.arguments, "--ros-args", *node.remappings()]
    for path in node.parameter_paths():
        argv += ["--params-file", str(path)]
    if node.parameters:
        own = folder / f"{node.name}.yaml"
        parameters = {"/**": {"ros__parameters": dict(node.parameters)}}
        write_aside(own, yaml.safe_dump(parameters).encode())
        argv += ["--params-file", str(own)]
    again = [word for k, v in node.restart_parameters().items() for word in ("-p", f"{k}:={v}")]
    return ProcessSpec(node.name, tuple(argv), node.role, node.stop_order, tuple(again))
