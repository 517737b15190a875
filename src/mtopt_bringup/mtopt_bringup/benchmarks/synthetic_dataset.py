"""Writes a data set as large as one likes, in the format of the cache, with empty pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.dataset.files import image_file, write_manifest
from mtopt_learning.dataset.rows import EPISODE_COLUMNS
from mtopt_learning.dataset.tables import arrow_bytes, from_matrix
from mtopt_spec.interfaces import EndReason
from mtopt_spec.observation import DEFAULT_IMAGE_SIZES
from mtopt_spec.seeds import generator
from mtopt_spec.whole_file import write_aside

SEGMENTS = 16
"""Table files: as many as the building of a cache leaves at most."""
_STEPS = (5, 15)
_OWN_TASK_SHARE = (0.6, 0.2)
"""Of the episodes: the first task's and the last skill's first; the others share the rest."""
_SUCCESS, _SUCCESS_OF_ANOTHER = 0.3, 0.05
_BY_SIMULATOR = 0.1
"""Share of the episodes with labels in the bags; the detector's are there for all."""


def write_synthetic(
    folder: Path,
    tasks: Sequence[str],
    episodes: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    image_sizes: Mapping[str, tuple[int, int]] = DEFAULT_IMAGE_SIZES,
) -> None:
    """Writes tables, labels and manifest in full; picture files have their size but no blocks.

    Args:
        folder: Of the data set; must not hold one.
        tasks: Names; the first is the most frequent.
        episodes: How many; 5 to 15 steps each.
        seed: Of all values.
        progress: Told the number of episodes written.
        image_sizes: Camera name to (height_px, width_px).
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = generator(seed, "synthetic dataset")
    rare = (1 - sum(_OWN_TASK_SHARE)) / (len(tasks) - 2)
    share = np.full(len(tasks), rare)
    share[0], share[len(tasks) * 2 // 3] = _OWN_TASK_SHARE
    segments, first_row, probability = [], 0, []
    for number, size in enumerate(np.diff(np.linspace(0, episodes, SEGMENTS + 1).astype(int))):
        steps = random.integers(_STEPS[0], _STEPS[1] + 1, size, dtype=np.int32)
        own = random.choice(len(tasks), size, p=share)
        chance = np.full((size, len(tasks)), _SUCCESS_OF_ANOTHER)
        chance[np.arange(size), own] = _SUCCESS
        labels = (random.random((size, len(tasks))) < chance).astype(np.float32)
        first_episode = sum(len(part) for part in probability)
        names = {kind: f"{kind}_{number:06d}.arrow" for kind in ("steps", "episodes")}
        table = _episode_table(tasks, own, steps, labels, first_episode, first_row, random)
        write_aside(folder / names["episodes"], arrow_bytes(table))
        table = _step_table(steps, first_episode, random)
        write_aside(folder / names["steps"], arrow_bytes(table))
        segments.append(names)
        first_row += len(table)
        probability.append(np.where(labels > 0, 0.9, 0.1).astype(np.float32))
        if progress:
            progress(first_episode + size)
    for camera, (height, width) in image_sizes.items():
        with (folder / image_file(camera)).open("wb") as stream:
            os.truncate(stream.fileno(), first_row * height * width * 3)
    write_manifest(
        folder,
        {
            "tasks": list(tasks), "resized": False,
            "cameras": {camera: list(size) for camera, size in image_sizes.items()},
            "observations": first_row, "episodes": episodes, "next_segment": SEGMENTS,
            "segments": segments, "bags": [],
        },
    )  # fmt: skip
    Dataset.open(folder).write_labels("detector", np.concatenate(probability))


def _episode_table(tasks, own, steps, labels, first_episode, first_row, random) -> pa.Table:
    """Episodes numbered from `first_episode`, their observations from row `first_row`."""
    size = len(steps)
    number = np.arange(first_episode, first_episode + size)
    judged = random.random(size) < _BY_SIMULATOR
    values = {
        "episode_id": [f"synthetic-robot_{n % 7 + 1}-{n}" for n in number],
        "episode_number": number,
        "robot": [f"robot_{n % 7 + 1}" for n in number],
        "seed": number.astype(np.uint64),
        "task": pa.array(tasks).take(pa.array(own)),
        "policy": ["scripted_pick"] * size,
        "checkpoint": [""] * size,
        "control_period_s": np.full(size, 0.2),
        "start": first_row + np.cumsum(steps + 1, dtype=np.int64) - (steps + 1),
        "steps": steps,
        "reason": random.choice(
            np.array([EndReason.TERMINATE, EndReason.LIMIT], np.int8), size, p=(0.7, 0.3)
        ),
        "success": labels[np.arange(size), own] > 0,
        "success_probability": labels[np.arange(size), own],
        "success_source": ["simulator"] * size,
        "dropped_frames": np.zeros(size, np.int32),
        "late_frames": np.zeros(size, np.int32),
        "bag": [f"robot_{n % 7 + 1}/bag_{n // 700:04d}" for n in number],
    }
    columns = {name: pa.array(values[name], kind) for name, kind in EPISODE_COLUMNS}
    for task, name in enumerate(tasks):
        columns[f"label/simulator/{name}"] = np.where(judged, labels[:, task], np.float32(np.nan))
    return pa.table(columns)


def _step_table(steps, first_episode, random) -> pa.Table:
    """Observations; the gripper closes once in each episode, and the last action is NaN."""
    lengths = steps + 1
    starts = np.cumsum(lengths) - lengths
    count = int(lengths.sum())
    episode = np.repeat(np.arange(len(steps)), lengths)
    step = (np.arange(count) - starts[episode]).astype(np.int32)
    action = np.zeros((count, 8), np.float32)
    action[:, :3] = random.random((count, 3), np.float32) * 0.1 - 0.05
    action[:, 4] = 1
    action[starts + random.integers(0, steps), 5] = 1
    action[starts + steps] = np.nan
    return pa.table(
        {
            "episode": (first_episode + episode).astype(np.int32),
            "step": step,
            "stamp_ns": step * np.int64(200_000_000),
            "state": from_matrix(random.random((count, 7), np.float32)),
            "action": from_matrix(action),
            "commanded": from_matrix(action),
        }
    )
