"""Labels that people (or what stands in for them) gave: which there are, and which were used."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_spec.errors import InputError

TRUTH_SOURCES = ("person", "import", "simulator")
"""Whose judgement is taken for true, best first; never the detector's own."""
TRAIN, VALIDATION = "train", "validation"
PARTS = (TRAIN, VALIDATION)
_LOG = logging.getLogger("success")


@dataclass(frozen=True)
class UsedLabel:
    """A label that a detector was made with.

    Attributes:
        episode_id: Whose last state was judged.
        task: For which task.
        success: 0 or 1.
        source: One of `TRUTH_SOURCES`.
        part: `train`, or `validation`: calibration and threshold.
    """

    episode_id: str
    task: str
    success: int
    source: str
    part: str


def shares_id(dataset) -> np.ndarray:
    """(episodes,) bool: another episode has the same id, as in data sets of older versions.

    Which of them a label by id means, nobody knows: a detector neither learns from them, nor is
    tested on them, nor asks about them.
    """
    count = Counter(dataset.episode_ids)
    return np.array([count[name] > 1 for name in dataset.episode_ids], bool)


def truth_labels(dataset, sources: Sequence[str] = TRUTH_SOURCES) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the best source that judged, and which one it was; none where `shares_id`.

    Args:
        dataset: A `Dataset`.
        sources: Best first.

    Returns:
        (episodes, tasks) float32 in [0, 1], NaN where none judged; (episodes, tasks) int8, index
        into `sources`, -1 where none.
    """
    labels = np.full((dataset.n_episodes, len(dataset.tasks)), np.nan, np.float32)
    by = np.full(labels.shape, -1, np.int8)
    for number, source in enumerate(sources):
        theirs = dataset.labels(source)
        new = np.isnan(labels) & np.isfinite(theirs)
        labels[new], by[new] = theirs[new], number
    shared = shares_id(dataset)
    if shared.any():
        _LOG.warning(
            "%d episodes are left out: others have their ids. Build a data set anew in which each "
            "id is one episode's", shared.sum(),
        )  # fmt: skip
        labels[shared], by[shared] = np.nan, -1
    return labels, by


def to_csv(used: Iterable[UsedLabel]) -> bytes:
    """A table with a header; `mtopt success import` reads it too."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("episode_id", "task", "success", "source", "part"))
    writer.writerows((u.episode_id, u.task, u.success, u.source, u.part) for u in used)
    return text.getvalue().encode()


def read_used(path: Path) -> tuple[UsedLabel, ...]:
    """What `to_csv` wrote; nothing where there is no such file.

    Raises:
        InputError: It is damaged.
    """
    if not Path(path).is_file():
        return ()
    try:
        with Path(path).open(newline="") as stream:
            return tuple(
                UsedLabel(r["episode_id"], r["task"], int(r["success"]), r["source"], r["part"])
                for r in csv.DictReader(stream)
            )
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            "labels of a detector", where=path, got=f"damaged ({error!r})",
            expected="the table that training wrote", todo="train it anew",
        ) from error  # fmt: skip


def place_used(dataset, used: Iterable[UsedLabel]) -> tuple[np.ndarray, np.ndarray]:
    """Used labels as tables of a data set; those of other episodes or tasks are left out.

    So are those of ids that several episodes have.

    Returns:
        (episodes, tasks) int8, 1 for training, 2 for validation, 0 not used; (episodes, tasks)
        float32, 0 or 1, NaN where not used.
    """
    row, column = _row_of(dataset), {task: t for t, task in enumerate(dataset.tasks)}
    table = np.zeros((dataset.n_episodes, len(column)), np.int8)
    success = np.full(table.shape, np.nan, np.float32)
    for label in used:
        if label.episode_id in row and label.task in column:
            at = row[label.episode_id], column[label.task]
            table[at], success[at] = 1 + PARTS.index(label.part), label.success
    return table, success


def list_used(
    dataset, table: np.ndarray, labels: np.ndarray, by: np.ndarray, sources: Sequence[str]
) -> list[UsedLabel]:
    """The inverse of `place_used`, with what `truth_labels` gave."""
    ids = dataset.episode_ids
    return [
        UsedLabel(
            str(ids[e]), dataset.tasks[t], int(labels[e, t] >= 0.5), sources[by[e, t]],
            PARTS[table[e, t] - 1],
        )
        for e, t in np.argwhere(table > 0)
    ]  # fmt: skip


def read_label_file(path: Path, dataset) -> np.ndarray:
    """Labels from a CSV file with the columns episode_id, task and success; more are not read.

    A row whose success is empty has not been answered yet and counts for nothing.

    Args:
        path: The file; the first row names the columns.
        dataset: Whose episodes are meant.

    Returns:
        (episodes, tasks) float32 0 or 1, NaN where the file says nothing.

    Raises:
        InputError: No such file, a missing column, or a row with an unknown episode or task, with
            an id of several episodes, with a success other than 0 or 1, or that contradicts an
            earlier one; the line is named.
    """
    labels = np.full((dataset.n_episodes, len(dataset.tasks)), np.nan, np.float32)
    for at, value, where in _rows(Path(path), dataset):
        if value == "":
            continue
        if value not in ("0", "1"):
            raise InputError("success", where=where, got=repr(value), expected="0, 1 or nothing")
        if np.isfinite(labels[at]) and labels[at] != int(value):
            raise InputError(
                "success", where=where, got=value, expected=f"{labels[at]:.0f} as in a line before"
            )
        labels[at] = int(value)
    return labels


def listed(path: Path, dataset) -> np.ndarray:
    """(episodes, tasks) bool: named by such a file, answered or not; the same errors."""
    named = np.zeros((dataset.n_episodes, len(dataset.tasks)), bool)
    for at, _, _ in _rows(Path(path), dataset):
        named[at] = True
    return named


def _row_of(dataset) -> dict[str, int]:
    """Id to episode, but for ids that several have."""
    alone = np.flatnonzero(~shares_id(dataset))
    return {str(dataset.episode_ids[i]): int(i) for i in alone}


def _rows(path: Path, dataset) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Episode and task, success as text, and the place, of each line."""
    row, column = _row_of(dataset), {task: t for t, task in enumerate(dataset.tasks)}
    expected = {
        "episode_id": "the id of one episode of the data set, and of no other",
        "task": f"one of {dataset.tasks}",
    }
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("labels", where=path, got=f"{error}", expected="a CSV file") from error
    reader = csv.DictReader(lines)
    needed = {"episode_id", "task", "success"}
    if not needed <= set(reader.fieldnames or ()):
        raise InputError(
            "columns", where=f"{path}, line 1", got=reader.fieldnames, expected=sorted(needed)
        )
    for record in reader:
        where = f"{path}, line {reader.line_num}"
        for name, known in (("episode_id", row), ("task", column)):
            if record[name] not in known:
                raise InputError(name, where=where, got=repr(record[name]), expected=expected[name])
        at = row[record["episode_id"]], column[record["task"]]
        yield at, (record["success"] or "").strip(), where
