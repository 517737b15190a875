"""Where the page's numbers come from: command, code, inputs, machine, time."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from mtopt_learning.checkpoint.folder import CONFIG, code_version
from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.report.growth import run_name
from mtopt_learning.report.section import Section

PACKAGES = ("numpy", "torch", "mujoco", "rosbags", "rclpy")


def machine() -> str:
    """Processor, cores that this process may use, memory, system: one line without the host."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, ValueError):
        memory = float("nan")
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions() -> str:
    """Python and the packages whose version may change a number."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _code() -> str:
    """Version and commit of this code."""
    code = code_version()
    return f"mtopt_learning {code['version']}, commit {code['commit'] or 'unknown'}"


def runs_in(dataset: Dataset) -> str:
    """The runs that a dataset's episodes are from, with their episodes and checkpoints."""
    runs = Counter(run_name(name) for name in dataset.episode_ids)
    texts = [f"{name} ({count:,} episodes)" for name, count in runs.items()]
    if len(texts) > 12:
        texts = [*texts[:12], f"and {len(texts) - 12} more"]
    return ", ".join(texts)


def checkpoint_text(folder: Path) -> str:
    """What a checkpoint folder says of itself, in short."""
    try:
        config = json.loads((Path(folder) / CONFIG).read_text())
        weights, code = config["weights_sha256"], config["code"]
    except (OSError, ValueError, KeyError, TypeError):
        return "no readable checkpoint"
    parts = [f"weights sha256 {weights[:12]}", f"code commit {code.get('commit', '')[:12] or '?'}"]
    if config.get("data_fingerprint"):
        parts.append(f"trained on dataset {config['data_fingerprint']}")
    settings = config.get("settings", {}).get("training") or {}
    if isinstance(settings, dict) and "seed" in settings:
        parts.append(f"seed {settings['seed']}")
    return ", ".join(parts)


def provenance_section(inputs: Sequence[tuple[str, str]], argv: Sequence[str] | None) -> Section:
    """The last section.

    Args:
        inputs: (what, its path and fingerprint or seed).
        argv: The command line; this process's own where None.
    """
    argv = [Path(sys.argv[0]).name, *sys.argv[1:]] if argv is None else argv
    now = datetime.datetime.now(datetime.timezone.utc)
    rows = [
        ("Written", now.strftime("%Y-%m-%d %H:%M UTC")),
        ("Command", shlex.join(argv)),
        ("Code", _code()),
        *inputs,
        ("Machine", machine()),
        ("Versions", versions()),
    ]
    return Section("provenance", data={"rows": rows})
