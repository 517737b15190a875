"""The list of end states that a person is asked to judge, and the pictures of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mtopt_learning.success.uncertain import Question
from mtopt_spec.whole_file import write_aside

HEIGHT_PX = 256
"""Of the pictures for people; the cameras stand side by side."""


def write_questions(
    path: Path, dataset, questions: Sequence[Question], pictures: Path | None = None
) -> None:
    """Writes a CSV file; its column success is empty, to be filled in with 0 or 1.

    Args:
        path: The file; `labels.read_label_file` reads it.
        dataset: A `Dataset`.
        questions: In the order to be asked.
        pictures: Folder for a PNG file a state; None writes none.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("episode_id", "task", "success", "score", "why", "bag", "picture"))
    for question in questions:
        episode_id = str(dataset.episode_ids[question.episode])
        shown = ""
        if pictures is not None:
            shown = str(pictures / f"{episode_id}.png")
            _write_picture(Path(shown), dataset, question.episode)
        writer.writerow(
            (episode_id, dataset.tasks[question.task], "", f"{question.score:.4f}", question.why,
             dataset.bag[question.episode], shown)
        )  # fmt: skip
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_aside(Path(path), text.getvalue().encode())


def _write_picture(path: Path, dataset, episode: int) -> None:
    """The last state as all cameras see it; nothing where the file is there already."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    row = dataset.last_row(np.array([episode]))[0]
    shown = [
        cv2.resize(images[row], (HEIGHT_PX * images.shape[2] // images.shape[1], HEIGHT_PX),
                   interpolation=cv2.INTER_NEAREST)
        for images in dataset.images.values()
    ]  # fmt: skip
    png = cv2.imencode(".png", cv2.cvtColor(np.hstack(shown), cv2.COLOR_RGB2BGR))[1]
    write_aside(path, png.tobytes())
