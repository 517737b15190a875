"""How much data each task has, and how often it succeeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.dataset.rows import LABEL_SOURCES
from mtopt_learning.report.charts import (
    interval_bars,
    stacked_bar,
)
from mtopt_learning.report.rates import rate_row
from mtopt_learning.report.section import Section


def own_outcomes(dataset: Dataset) -> np.ndarray:
    """(episodes,) float: 1, 0 or NaN (not judged): did the episode succeed at its own task?"""
    return dataset.own_labels().astype(np.float64)


def judged_and_won(outcomes: np.ndarray) -> tuple[int, int]:
    """(judged episodes, successes) of outcomes that may be NaN."""
    judged = np.isfinite(outcomes)
    return int(judged.sum()), int((outcomes[judged] > 0.5).sum())


def volume_section(dataset: Dataset | None) -> Section:
    """Table of all tasks: own episodes, success with interval, and all labelled episodes."""
    if dataset is None:
        return Section("volume", missing="No dataset was given (--dataset DIR).")
    labels, own = dataset.labels("best"), own_outcomes(dataset)
    rows = []
    of_a_task = dataset.episode_task[dataset.episode_task >= 0]
    largest = int(np.bincount(of_a_task, minlength=1).max(initial=0))
    for i, task in enumerate(dataset.tasks):
        mine = dataset.episode_task == i
        judged, wins = judged_and_won(own[mine])
        shared_judged, shared_wins = judged_and_won(labels[:, i])
        unknown = int(mine.sum()) - judged
        rows.append(
            rate_row(task, wins, judged)
            | {
                "episodes": int(mine.sum()),
                "unknown": unknown,
                "volume": stacked_bar(
                    [
                        ("success", "successful", wins),
                        ("failure", "failed", judged - wins),
                        ("muted", "not judged", unknown),
                    ],
                    largest,
                ),
                "shared_judged": shared_judged,
                "shared_wins": shared_wins,
            }
        )
        rows[-1]["bar"] = interval_bars([(*_ends(rows[-1]), "s0")])
    return Section(
        "volume",
        data={"rows": rows, "policies": _policies(dataset, own), "sources": _sources(dataset)},
    )


def _sources(dataset: Dataset) -> str:
    """Who judged: the number of labels of each source."""
    names = {
        "person": "a person",
        "import": "an imported table",
        "simulator": "the simulator's truth (in a person's place)",
        "detector": "the success detector",
    }
    counts = {source: int(np.isfinite(dataset.labels(source)).sum()) for source in LABEL_SOURCES}
    given = [f"{names[source]}: {count:,}" for source, count in counts.items() if count]
    return (
        "Labels by " + ", ".join(given) + ". Where several judged, the first one named counts."
        if given
        else "No episode is judged yet."
    )


def _ends(row: dict) -> tuple[float, float, float]:
    """Rate and interval of a table row."""
    return row["rate"], row["low"], row["high"]


def _policies(dataset: Dataset, own: np.ndarray) -> list[dict]:
    """Success of each policy over all its episodes."""
    names = np.asarray(dataset.episode_policy).astype(str)
    rows = []
    for name in sorted(set(names)):
        mine = names == name
        judged, wins = judged_and_won(own[mine])
        row = rate_row(name, wins, judged) | {"episodes": int(mine.sum())}
        row["bar"] = interval_bars([(*_ends(row), "s0")])
        rows.append(row)
    return rows


def dataset_figures(dataset: Dataset) -> Sequence[tuple[str, str, str]]:
    """Headline figures of a dataset: (value, what it is, small print)."""
    own = own_outcomes(dataset)
    steps = int(np.sum(dataset.episode_steps))
    judged, wins = judged_and_won(own)
    row = rate_row("all", wins, judged)
    robots = len(set(np.asarray(dataset.robot).astype(str)))
    labelled = int(np.isfinite(dataset.labels("best")).sum())
    return [
        (f"{len(own):,}", "episodes", f"{steps:,} control steps by {robots} robots"),
        (row["rate_text"], "succeeded at their own task", row["interval_text"]),
        (f"{len(dataset.tasks)}", "tasks", f"{labelled:,} labels of episode and task"),
    ]
