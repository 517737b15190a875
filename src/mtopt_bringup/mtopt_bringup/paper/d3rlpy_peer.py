"""IQL of d3rlpy on the same data set: exported to it, trained in its own environment, served here.

d3rlpy pins versions that ours exclude (gymnasium 1.0), so it gets a virtual environment of its own
from `peers.txt`, made where it is first needed. Each episode is data of its own task, rewarded at
its end; actions are the learner's codes in [-1, 1], the flags -1 or 1.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import mtopt_learning
import mtopt_spec
from mtopt_learning.checkpoint.configuration import to_plain
from mtopt_learning.clone.network import CloneNetwork, default_clone
from mtopt_learning.clone.run import save_clone
from mtopt_learning.clone.training import CloneConfig
from mtopt_learning.dataset.files import image_file
from mtopt_learning.qlearn.actions import CONTINUOUS, encode
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_spec.errors import InputError
from mtopt_spec.interfaces import EndReason
from mtopt_spec.task import TaskList

_LOG = logging.getLogger("mtopt.paper")
REQUIREMENTS = Path(__file__).with_name("peers.txt")
COMPLETE = "complete"
"""File in the environment's folder once all is installed."""
GAMMA = 0.9


def train_peer(
    folder: Path,
    dataset,
    tasks: TaskList,
    config: CloneConfig,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Trains IQL and saves its actor as a clone's checkpoint.

    Returns:
        `steps`, `seconds`, `parameters` of the actor, `episodes`.

    Raises:
        InputError: d3rlpy cannot be installed, or its training failed.
    """
    python = peer_python()
    began_s = time.monotonic()
    cameras = {name: tuple(size) for name, size in dataset.cameras.items()}
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "arrays": str(folder / "peer.npz"),
        "weights": str(folder / "peer.safetensors"),
        "pictures": {name: str(dataset.folder / image_file(name)) for name in cameras},
        "cameras": cameras,
        "tasks": len(tasks),
        "steps": config.steps,
        "batch": config.batch,
        "gamma": GAMMA,
        "seed": config.seed,
        "threads": config.threads,
        "device": config.device,
    }
    arrays = peer_arrays(dataset, len(tasks))
    np.savez(folder / "peer.npz", **arrays)
    (folder / "peer.json").write_text(json.dumps(request, indent=1))
    _run(python, folder / "peer.json", folder / "peer.log", progress)
    network = CloneNetwork(default_clone(len(tasks), cameras, outputs="squashed"))
    network.load_state_dict(actor_weights(load_file(folder / "peer.safetensors")))
    save_clone(
        folder / CHECKPOINT, network, tasks.names, cameras, to_plain(config), dataset.fingerprint
    )
    (folder / "peer.npz").unlink()
    return {
        "steps": config.steps,
        "seconds": round(time.monotonic() - began_s, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        "episodes": len(arrays["start"]),
    }


def peer_arrays(dataset, tasks: int) -> dict[str, np.ndarray]:
    """What d3rlpy is given beside the pictures.

    Returns:
        `start`, `steps`, `success` of the episodes that are judged; `numbers`: (observations,
        7 + tasks) float32 proprioception and one-hot task; `action`: (observations, 7) float32
        in [-1, 1], 0 at last observations.
    """
    labels = dataset.labels("best")
    own = labels[np.arange(len(labels)), dataset.episode_task]
    used = (
        np.isfinite(own) & (dataset.episode_task >= 0) & (dataset.episode_reason != EndReason.FAULT)
    )
    used &= dataset.episode_steps > 0
    task = np.repeat(dataset.episode_task, dataset.episode_steps + 1)
    code = encode(torch.from_numpy(np.nan_to_num(dataset.action))).numpy()
    code[:, CONTINUOUS:] = 2 * code[:, CONTINUOUS:] - 1
    code[dataset.last_row(np.arange(len(labels)))] = 0
    return {
        "start": dataset.episode_start[used],
        "steps": dataset.episode_steps[used].astype(np.int64),
        "success": (own[used] >= 0.5).astype(np.float32),
        "numbers": np.concatenate([dataset.state, np.eye(tasks, dtype=np.float32)[task]], 1),
        "action": code.astype(np.float32),
    }


def actor_weights(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """d3rlpy's actor as the weights of a `CloneNetwork`."""
    out = {"out.weight": state["_mu.weight"], "out.bias": state["_mu.bias"]}
    inner = "_encoder.trunk."
    out.update({f"trunk.{k[len(inner) :]}": v for k, v in state.items() if k.startswith(inner)})
    return out


def peer_folder() -> Path:
    """Of d3rlpy's environment: another one for other requirements and another Python."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mtopt"
    return cache / f"peers-{digest}"


def peer_python() -> Path:
    """The Python of d3rlpy's environment, which is made where it is not there yet.

    Raises:
        InputError: It cannot be installed.
    """
    folder = peer_folder()
    log = folder.with_name(folder.name + ".log")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / COMPLETE).exists():
            _LOG.info("installing %s into %s", REQUIREMENTS.name, folder)
            venv.create(folder, clear=True, with_pip=True, symlinks=True)
            with open(log, "w") as file:
                done = subprocess.run(
                    [folder / "bin" / "python", "-m", "pip", "install", "-r", REQUIREMENTS],
                    stdout=file, stderr=subprocess.STDOUT, env=_environment(""),
                )  # fmt: skip
            if done.returncode:
                raise InputError(
                    "d3rlpy", where=REQUIREMENTS, got=f"pip ended with {done.returncode}",
                    expected="an installation", todo=f"see {log}, or leave the row out",
                )  # fmt: skip
            (folder / COMPLETE).touch()
    return folder / "bin" / "python"


def _environment(python_path: str) -> dict[str, str]:
    """Of the other Python: none of this one's packages."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    return {**keep, "PYTHONPATH": python_path}


def _run(python: Path, request: Path, log: Path, progress: Callable[[int], None] | None) -> None:
    packages = [str(Path(p.__file__).parents[1]) for p in (mtopt_learning, mtopt_spec)]
    with open(log, "w") as errors:
        process = subprocess.Popen(
            [python, "-u", Path(__file__).with_name("d3rlpy_train.py"), request],
            stdout=subprocess.PIPE, stderr=errors, text=True,
            env=_environment(os.pathsep.join(packages)),
        )  # fmt: skip
        try:
            for line in process.stdout:
                if progress and line.strip().isdigit():
                    progress(int(line))
            code = process.wait()
        finally:
            process.kill()
    if code:
        raise InputError(
            "d3rlpy", where=request, got=f"exit code {code}", expected="0", todo=f"see {log}"
        )
