"""Contact sheets: what successful and failed episodes of each task look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtopt_learning.report.pictures import data_uri, spread, strip
from mtopt_learning.report.section import Section
from mtopt_learning.report.volume import own_outcomes
from mtopt_spec.interfaces import EndReason
from mtopt_spec.seeds import generator

if TYPE_CHECKING:
    from mtopt_learning.dataset.cache import Dataset

FRAMES = 6
"""Frames of the first camera in a strip, the first and the last among them."""


def choose(outcomes: np.ndarray, mine: np.ndarray, success: bool, count: int, seed: int) -> list:
    """At most `count` episodes of one outcome, drawn evenly over the dataset, in its order."""
    wanted = np.flatnonzero(mine & np.isfinite(outcomes) & ((outcomes > 0.5) == success))
    if len(wanted) > count > 0:
        draw = generator(seed, "contact sheet", int(success))
        wanted = np.sort([draw.choice(part) for part in np.array_split(wanted, count)])
    return [int(i) for i in wanted[:count]]


def episode_strip(dataset: Dataset, episode: int, frames: int = FRAMES) -> str:
    """`data:` address of one episode: frames of the first camera, then the others' last frame."""
    start = int(dataset.episode_start[episode])
    last = start + int(dataset.episode_steps[episode])
    first_camera, *others = dataset.cameras
    shown = [dataset.images[first_camera][i] for i in spread(start, last, frames)]
    groups = [[*shown, *[None] * (frames - len(shown))]]
    groups += [[dataset.images[camera][last]] for camera in others]
    return data_uri(strip(groups))


def caption(dataset: Dataset, episode: int) -> dict:
    """What a reader needs to find the episode again, and how it ended."""
    return {
        "id": str(dataset.episode_ids[episode]),
        "policy": str(dataset.episode_policy[episode]),
        "steps": int(dataset.episode_steps[episode]),
        "reason": EndReason(int(dataset.episode_reason[episode])).name.lower(),
    }


def contact_section(dataset: Dataset | None, strips: int = 3, seed: int = 0) -> Section:
    """For every task with episodes: strips of successes and of failures."""
    if dataset is None:
        return Section("contact", missing="No dataset was given (--dataset DIR).")
    outcomes = own_outcomes(dataset)
    tasks = []
    for i, task in enumerate(dataset.tasks):
        mine = np.asarray(dataset.episode_task) == i
        if not mine.any():
            continue
        columns = []
        for success in (True, False):
            chosen = choose(outcomes, mine, success, strips, seed + i)
            columns.append(
                {
                    "name": "Successful" if success else "Failed",
                    "style": "success" if success else "failure",
                    "total": int((mine & (outcomes == success)).sum()),
                    "strips": [
                        caption(dataset, e) | {"picture": episode_strip(dataset, e)} for e in chosen
                    ],
                }
            )
        tasks.append({"name": task, "columns": columns})
    if not tasks:
        return Section("contact", missing="The dataset has no episodes.")
    return Section("contact", data={"tasks": tasks, "cameras": list(dataset.cameras)})
