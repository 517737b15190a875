"""Q-values along an episode, beside its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from mtopt_learning.report.charts import LEFT_PX, RIGHT_PX, Series, line_chart
from mtopt_learning.report.contact_sheets import caption, choose
from mtopt_learning.report.pictures import data_uri, spread, strip
from mtopt_learning.report.section import Section
from mtopt_learning.report.volume import own_outcomes

if TYPE_CHECKING:
    from mtopt_learning.dataset.cache import Dataset
    from mtopt_learning.report.q_reader import QReader

SENT, BEST, STOP = "action sent", "best action found", "terminate"
FRAME_PX, WIDEST_PX = 100, 1040


def q_section(dataset: Dataset | None, run: Path | None, count: int, seed: int) -> Section:
    """Charts of Q of the action sent, V and Q of terminate for a few episodes."""
    if run is None:
        return Section("qvalue", missing="No training run was given (--run DIR).")
    if dataset is None:
        return Section("qvalue", missing="No dataset was given (--dataset DIR).")
    from mtopt_learning.report.q_reader import QReader
    from mtopt_learning.train.run_folder import CHECKPOINT

    folder = Path(run) / CHECKPOINT
    if not folder.is_dir():
        return Section("qvalue", missing=f"{run} holds no checkpoint yet.")
    reader = QReader(folder)
    chosen = choose_stories(dataset, reader.tasks, count, seed)
    if count and not chosen:
        return Section(
            "qvalue", missing="No episode's outcome is known for the checkpoint's tasks."
        )
    return Section(
        "qvalue",
        data={
            "episodes": [_story(dataset, episode, reader) for episode in chosen],
            "checkpoint": reader.about,
        },
    )


def choose_stories(dataset: Dataset, tasks: Sequence[str], count: int, seed: int) -> list[int]:
    """Episodes to show: a success and a failure of tasks that are spread over the list."""
    outcomes = own_outcomes(dataset)
    pairs = []
    for task in (i for i, name in enumerate(dataset.tasks) if name in tasks):
        mine = dataset.episode_task == task
        chosen = [choose(outcomes, mine, success, 1, seed) for success in (True, False)]
        if all(chosen):
            pairs.append([episode for one in chosen for episode in one])
    if not pairs:
        return []
    shown = spread(0, len(pairs) - 1, max(1, count // 2))
    return [episode for i in shown for episode in pairs[i]][:count]


def gripper_marks(action: np.ndarray) -> list[tuple[float, str]]:
    """(step, text) of the steps that first close or open the gripper in a row of such steps.

    Args:
        action: (n, 8) float32, as sent.
    """
    marks = []
    for column, text in ((5, "close"), (6, "open")):
        told = np.r_[False, action[:, column] > 0.5]
        marks += [(float(step), text) for step in np.flatnonzero(told[1:] & ~told[:-1])]
    return sorted(marks)


def _story(dataset: Dataset, episode: int, reader: QReader) -> dict:
    """One episode's chart and frames, as the template needs them."""
    start = int(dataset.episode_start[episode])
    rows = slice(start, start + int(dataset.episode_steps[episode]) + 1)
    task = dataset.tasks[dataset.episode_task[episode]]
    images = {camera: np.asarray(dataset.images[camera][rows]) for camera in dataset.cameras}
    width = min(WIDEST_PX, LEFT_PX + RIGHT_PX + FRAME_PX * (rows.stop - rows.start))
    curves = reader.curves(task, images, dataset.state[rows], dataset.action[rows][:-1])
    success = own_outcomes(dataset)[episode] > 0.5
    return caption(dataset, episode) | {
        "task": task,
        "outcome": "success" if success else "failure",
        "style": "success" if success else "failure",
        "chart": story_chart(curves, width, gripper_marks(dataset.action[rows][:-1])),
        "width": width,
        "inset": (f"{100 * LEFT_PX / width:.3f}%", f"{100 * RIGHT_PX / width:.3f}%"),
        "pictures": [data_uri(strip([frames])) for frames in images.values()],
    }


def story_chart(
    curves: Mapping[str, np.ndarray], width: int, marks: Sequence[tuple[float, str]]
) -> Markup:
    """The chart of (steps + 1,) curves; step i stands above frame i of a strip below the axis."""
    steps = np.arange(len(next(iter(curves.values()))))
    styles = {SENT: "s0", BEST: "s1", STOP: "s3"}
    series = [Series(name, steps, curves[name], styles[name], dots=True) for name in styles]
    return line_chart(
        series,
        title="Q, the chance of success that it expects, at each step",
        y_range=(0, 1),
        x_range=(-0.5, len(steps) - 0.5),
        width=width,
        height=210,
        max_x_ticks=len(steps),
        x_marks=marks,
    )
