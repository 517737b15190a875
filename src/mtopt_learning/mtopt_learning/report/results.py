"""Results that `mtopt eval`, `cell` and `collect` printed with --json, read and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtopt_learning.report.charts import interval_bars, style
from mtopt_learning.report.rates import interval_row, rate_row
from mtopt_learning.report.section import Section
from mtopt_spec.errors import InputError

if TYPE_CHECKING:
    from mtopt_learning.dataset.cache import Dataset

LOSSES = ("episodes", "void_episodes", "dropped_frames", "late_frames", "control_steps_per_s")
"""Keys of a result that tell what of a run was kept, and how fast it went."""


@dataclass(frozen=True)
class Result:
    """One file.

    Attributes:
        name: How the page calls it: the policy if the file says so, else the file's stem.
        file: File name.
        kind: `eval`, `cell`.
        content: The JSON object.
    """

    name: str
    file: str
    kind: str
    content: Mapping[str, Any]


def load_result(path: Path, kind: str) -> Result:
    """Reads a result: a JSON file, or a log whose last line is the JSON object.

    Raises:
        InputError: No file, no JSON object, one without `tasks`, or with counts that cannot be.
    """
    path = Path(path)
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{kind} result", where=path, got=str(error), expected="a readable JSON file"
        ) from error
    content = None
    for candidate in (text, text.rsplit("\n", 1)[-1]):
        try:
            content = json.loads(candidate)
            break
        except (ValueError, RecursionError):
            continue
    tasks = content.get("tasks") if isinstance(content, dict) else None
    if not isinstance(tasks, dict):
        raise InputError(
            f"{kind} result",
            where=path,
            got="no JSON object with `tasks`",
            expected=f"what `mtopt {kind} --json` prints as its last line",
        )
    for task, counts in tasks.items():
        if not _is_count(counts):
            raise InputError(
                f"{kind} result, task {task}",
                where=path,
                got=repr(counts),
                expected="`attempts` and at most as many `successes`; `low`, `high`: numbers",
            )
    for key in LOSSES:
        if not _is_number(content.get(key)):
            raise InputError(
                f"{kind} result, {key}", where=path, got=repr(content[key]), expected="a number"
            )
    name = content.get("policy") or content.get("name") or path.stem
    return Result(str(name), path.name, kind, content)


def _is_count(counts) -> bool:
    """Whether these are a task's attempts and successes, with the interval's ends or without."""
    if not isinstance(counts, dict):
        return False
    attempts, successes = counts.get("attempts"), counts.get("successes")
    whole = type(attempts) is int and type(successes) is int and 0 <= successes <= attempts
    return whole and _is_number(counts.get("low")) and _is_number(counts.get("high"))


def _is_number(value) -> bool:
    """Whether it is a number, or nothing."""
    return value is None or type(value) is int or (type(value) is float and math.isfinite(value))


def _rows(result: Result) -> dict[str, dict]:
    """Task name to table cell, the row over all episodes under the empty name."""
    rows, attempts, successes = {}, 0, 0
    for task, counts in result.content["tasks"].items():
        n, k = int(counts["attempts"]), int(counts["successes"])
        attempts, successes = attempts + n, successes + k
        if n and counts.get("low") is not None and counts.get("high") is not None:
            row = interval_row(task, n, k, k / n, float(counts["low"]), float(counts["high"]))
        else:
            row = rate_row(task, k, n)
        rows[task] = row
    rows[""] = rate_row("", successes, attempts)
    return rows


def _table_row(task: str, columns: Sequence[dict[str, dict]]) -> dict:
    """One task's rates in every result, and all of them in one drawing."""
    cells = [column.get(task) or rate_row(task, 0, 0) for column in columns]
    bars = [(c["rate"], c["low"], c["high"], style(i)) for i, c in enumerate(cells)]
    return {"name": task or "All episodes", "cells": cells, "bars": interval_bars(bars)}


def evaluation_section(results: Sequence[Result], tasks: Sequence[str] = ()) -> Section:
    """Success of every result beside each other, a task a row, in the order of `tasks`."""
    results = [result for result in results if result.content["tasks"]]
    if not results:
        return Section(
            "evaluation",
            missing="No evaluation was given (--eval FILE.json, --cell FILE.json).",
        )
    columns = [_rows(result) for result in results]
    measured = {task for column in columns for task in column if task}
    names = [task for task in tasks if task in measured]
    names += sorted(measured - set(names))
    return Section(
        "evaluation",
        data={
            "columns": [
                {
                    "name": result.name,
                    "file": result.file,
                    "kind": result.kind,
                    "style": style(i),
                    "all": columns[i][""],
                    "mean": _mean(result),
                }
                for i, result in enumerate(results)
            ],
            "rows": [_table_row(task, columns) for task in names],
            "total": _table_row("", columns),
        },
    )


def result_figures(
    results: Sequence[Result], dataset: Dataset | None
) -> list[tuple[str, str, str]]:
    """Headline figures of results: (value, what it is, small print)."""
    figures = []
    for result in results:
        row = _rows(result)[""]
        if row["attempts"]:
            small = f"{row['interval_text']} in {row['attempts']:,} episodes · {result.kind}"
            figures.append((row["rate_text"], f"success of {result.name}", small))
    # A run's episodes may be in the dataset too, so the two are never added up.
    losses = integrity_section([] if dataset else results, dataset).data.get("rows", ())
    dropped, void = (
        [row[key] for row in losses if row[key] is not None]
        for key in ("dropped_frames", "void_episodes")
    )
    if dropped:
        small = f"{sum(void):,} void episode{'s' * (sum(void) != 1)}" if void else ""
        figures.append((f"{sum(dropped):,}", "dropped frames", small))
    return figures


def result_text(result: Result, path: Path) -> str:
    """Where a result is from: its path, and what it says of policy, checkpoint and seed."""
    said = [
        f"{key} {result.content[key]}"
        for key in ("policy", "checkpoint", "seed", "run")
        if result.content.get(key) not in (None, "")
    ]
    return ", ".join([str(path), *said])


def _mean(result: Result) -> str:
    """Mean of the tasks' rates, each task counted alike."""
    rates = [
        int(counts["successes"]) / int(counts["attempts"])
        for counts in result.content["tasks"].values()
        if int(counts["attempts"])
    ]
    return f"{100 * sum(rates) / len(rates):.0f} %" if rates else "–"


def integrity_section(results: Sequence[Result], dataset: Dataset | None) -> Section:
    """Dropped frames and void episodes: of the dataset, and of the runs."""
    rows = []
    if dataset is not None:
        voids = [bag.get("void_episodes") for bag in dataset.bags]
        rows.append(
            {
                "name": f"dataset: {dataset.folder.name}",
                "episodes": dataset.n_episodes,
                "void_episodes": None if None in voids else sum(voids),
                "dropped_frames": int(np.sum(dataset.episodes["dropped_frames"].to_numpy())),
                "late_frames": int(np.sum(dataset.episodes["late_frames"].to_numpy())),
                "rate": None,
            }
        )
    rows += [
        {
            "name": f"{result.kind}: {result.file}",
            "episodes": result.content.get("episodes"),
            "void_episodes": result.content.get("void_episodes"),
            "dropped_frames": result.content.get("dropped_frames"),
            "late_frames": result.content.get("late_frames"),
            "rate": result.content.get("control_steps_per_s"),
        }
        for result in results
        if "dropped_frames" in result.content or "void_episodes" in result.content
    ]
    if not rows:
        return Section(
            "integrity",
            missing="Nothing that was given says how many frames were dropped or episodes void "
            "(--cell FILE.json, --dataset DIR).",
        )
    return Section("integrity", data={"rows": rows})
