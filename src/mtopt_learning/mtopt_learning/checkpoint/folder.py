"""A checkpoint on disk: a folder that is whole or is refused.

`weights.safetensors` holds tensors, `config.json` all else: the network's configuration, the
specs it was trained for, the task list, the data's fingerprint, the code's version, and the hash of
the weights. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from mtopt_spec.action import ACTION_NAMES, CONTROL_PERIOD_S, MAX_AZIMUTH_RAD, MAX_TRANSLATION_M
from mtopt_spec.errors import InputError
from mtopt_spec.observation import STATE_NAMES
from mtopt_spec.whole_file import partial_path

FORMAT = 1
WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
_OTHER = "name another folder: all that is there would be deleted"


@dataclass(frozen=True)
class CheckpointFolder:
    """What a folder held.

    Attributes:
        path: The folder.
        kind: `q_function` or `success_detector`.
        tasks: Names, in the order of the network's task input; none where it learned goals only.
        cameras: Camera name to (height, width), px.
        config: All of config.json.
        tensors: Name to tensor.
        fingerprint: 12 hex digits that differ where anything in it differs.
    """

    path: Path
    kind: str
    tasks: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    config: dict
    tensors: dict[str, torch.Tensor]
    fingerprint: str


def specs(cameras: dict[str, tuple[int, int]]) -> dict:
    """What the numbers in the network's inputs and outputs mean."""
    return {
        "cameras": {name: list(size) for name, size in cameras.items()},
        "state": list(STATE_NAMES),
        "action": list(ACTION_NAMES),
        "max_translation_m": MAX_TRANSLATION_M,
        "max_azimuth_rad": MAX_AZIMUTH_RAD,
        "control_period_s": CONTROL_PERIOD_S,
    }


def save_folder(
    path: Path,
    kind: str,
    tensors: dict[str, torch.Tensor],
    *,
    tasks: tuple[str, ...],
    cameras: dict[str, tuple[int, int]],
    settings: dict,
    data_fingerprint: str = "",
    metrics: dict | None = None,
    extra: dict[str, bytes] | None = None,
) -> str:
    """Writes a checkpoint aside and moves it to `path`, over an older one; gives its fingerprint.

    Args:
        path: The folder.
        kind: `q_function` or `success_detector`.
        tensors: Weights.
        tasks: Names in the network's order.
        cameras: Camera name to (height, width).
        settings: Plain data: the network's and the training's resolved configuration.
        data_fingerprint: Of the data set.
        metrics: Figures to keep with it.
        extra: Other files of the folder, by name.

    Raises:
        InputError: `path` is neither free nor such a folder; see `check_checkpoint`.
    """
    check_checkpoint(path, kind, tuple(extra or ()))
    weights = save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})
    config = {
        "format": FORMAT,
        "kind": kind,
        "tasks": list(tasks),
        "specs": specs(cameras),
        "settings": settings,
        "data_fingerprint": data_fingerprint,
        "code": code_version(),
        "metrics": metrics or {},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=1)
    write_folder(path, {WEIGHTS: weights, CONFIG: text.encode(), **(extra or {})})
    return _fingerprint(weights, text.encode())


def load_folder(
    path: Path,
    kind: str,
    *,
    tasks: tuple[str, ...] | None = None,
    cameras: dict[str, tuple[int, int]] | None = None,
) -> CheckpointFolder:
    """Reads a checkpoint.

    Args:
        path: The folder.
        kind: What it must be.
        tasks: The cell's tasks, which must be the checkpoint's, in order, if it has any; None
            takes any.
        cameras: The cell's pictures, which must be the checkpoint's; None takes any.

    Raises:
        InputError: It is missing, damaged, of another kind, or for other tasks, pictures or
            units than this cell's.
    """
    path = Path(path)
    todo = "train one with `mtopt train`, or name another folder"
    try:
        text = (path / CONFIG).read_bytes()
        weights = (path / WEIGHTS).read_bytes()
    except OSError as error:
        raise InputError(
            "checkpoint", where=path, got=f"{error.strerror}: {Path(error.filename or path).name}",
            expected=f"a folder with {CONFIG} and {WEIGHTS}", todo=todo,
        ) from error  # fmt: skip
    try:
        config = json.loads(text)
        found = (config["format"], config["kind"])
        names, found_specs = tuple(config["tasks"]), config["specs"]
        digest = config["weights_sha256"]
        sizes = {name: tuple(size) for name, size in found_specs["cameras"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "checkpoint", where=path / CONFIG, got=f"damaged ({error!r})",
            expected="the file that training wrote", todo=todo,
        ) from error  # fmt: skip
    if found != (FORMAT, kind):
        raise InputError("checkpoint", where=path, got=found, expected=(FORMAT, kind), todo=todo)
    if hashlib.sha256(weights).hexdigest() != digest:
        raise InputError(
            "checkpoint", where=path / WEIGHTS, got="damaged weights (their hash differs)",
            expected=f"sha256 {digest[:12]}...", todo=todo,
        )  # fmt: skip
    if tasks is not None and names and names != tuple(tasks):
        raise InputError(
            "checkpoint's tasks", where=path, got=list(names), expected=list(tasks),
            todo="use the task file that it was trained with, or train again",
        )  # fmt: skip
    if cameras is not None and sizes != {name: tuple(size) for name, size in cameras.items()}:
        raise InputError(
            "checkpoint's pictures", where=path, got=sizes, expected=cameras, todo=todo
        )
    if found_specs != specs(sizes):
        raise InputError(
            "checkpoint's specs", where=path, got=found_specs, expected=specs(sizes), todo=todo
        )
    return CheckpointFolder(
        path, kind, names, sizes, config, load_tensors(weights), _fingerprint(weights, text)
    )


def load_weights(module: torch.nn.Module, folder: CheckpointFolder) -> None:
    """Puts a folder's tensors into a network.

    Raises:
        InputError: Names or shapes are not the network's.
    """
    try:
        module.load_state_dict(folder.tensors)
    except RuntimeError as error:
        raise InputError(
            "checkpoint's weights", where=folder.path,
            got=textwrap.shorten(str(error).splitlines()[-1], 200, placeholder=" ..."),
            expected="the tensors of its own configuration",
            todo="serve it by the version that wrote it, or train it anew",
        ) from error  # fmt: skip


def check_checkpoint(path: Path, kind: str, extra: Sequence[str] = ()) -> None:
    """Refuses a path that a checkpoint must not take; to be called before long work, too.

    Args:
        path: Where it is to be written.
        kind: Of the checkpoint.
        extra: Names of files that are written beside the weights and their configuration.

    Raises:
        InputError: It is neither free nor a checkpoint of this kind, with nothing else in it.
    """
    check_free(path, (WEIGHTS, CONFIG, *extra))
    if not (Path(path) / WEIGHTS).exists():
        return
    try:
        found = json.loads((Path(path) / CONFIG).read_bytes())["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        found = f"no readable {CONFIG}"
    if found != kind:
        raise InputError(
            "folder to write", where=path, got=found, expected=f"none, or a {kind}", todo=_OTHER
        )


def check_free(path: Path, names: Sequence[str], own: str = "") -> None:
    """Refuses a path that holds what `write_folder` would delete and did not write.

    Args:
        path: Where a folder is to be written.
        names: Of its files; a folder without the first one was not written by it.
        own: Pattern of names that an older one may have besides.

    Raises:
        InputError: It is a file, or a folder that holds something else.
    """
    path = Path(path)
    if not path.exists():
        return
    got = "a file"
    if path.is_dir():
        held = {entry.name: entry.is_file() for entry in os.scandir(path)}
        foreign = [
            name
            for name, is_file in sorted(held.items())
            if not (is_file and (name in names or re.fullmatch(own, name)))
        ]
        if not held or (names[0] in held and not foreign):
            return
        got = ", ".join((foreign or sorted(held))[:3])
    raise InputError(
        "folder to write", where=path, got=got,
        expected=f"none, an empty one, or one with {names[0]} that was written before", todo=_OTHER,
    )  # fmt: skip


def write_folder(path: Path, files: dict[str, bytes], own: str = "") -> None:
    """Writes files into a folder aside, then renames it to `path` over an older one.

    Args:
        path: The folder.
        files: Name to content; the first name marks a folder of this kind.
        own: As of `check_free`.

    Raises:
        InputError: `path` is something else; nothing is changed.
    """
    path = Path(path).resolve()
    finish_write(path)
    check_free(path, tuple(files), own)
    partial, old = _aside(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, data in files.items():
        with open(partial / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    partial.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def finish_write(path: Path) -> None:
    """Ends what a `write_folder` left that was killed between its two renames."""
    partial, old = _aside(Path(path))
    if old.is_dir() and partial.is_dir() and not Path(path).exists():
        partial.rename(Path(path).resolve())
        shutil.rmtree(old, ignore_errors=True)


def _aside(path: Path) -> tuple[Path, Path]:
    """Where the new folder is written, and where the older one goes for a moment."""
    path = path.resolve()  # of a link: beside what it names
    return partial_path(path), partial_path(path.with_name(path.name + ".old"))


def code_version() -> dict[str, str]:
    """The package's version, and the commit where the source is a git checkout."""
    from importlib import metadata

    try:
        version = metadata.version("mtopt_learning")
    except metadata.PackageNotFoundError:
        version = "source"
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True,
            text=True, timeout=5, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        commit = ""
    return {"version": version, "commit": commit}


def _fingerprint(weights: bytes, config: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(weights).digest() + config).hexdigest()[:12]
