"""Learning curves of a training run, from its metrics.jsonl."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtopt_learning.report.charts import Series, line_chart, number, style, thin
from mtopt_learning.report.section import Section
from mtopt_learning.train.run_folder import METRICS
from mtopt_spec.errors import InputError

AXES = ("step", "seconds")


@dataclass(frozen=True)
class Group:
    """Metrics that belong into one chart.

    Attributes:
        title: Of the chart.
        metrics: First parts of their names.
        note: What a reader should know of them.
        y_range: Ends of the axis; from the data where None.
    """

    title: str
    metrics: tuple[str, ...]
    note: str = ""
    y_range: tuple[float, float] | None = None


GROUPS = (
    Group("Losses", ("loss", "terminate_loss", "conservative_loss")),
    Group(
        "Q and V",
        ("q", "value"),
        "Mean Q of the recorded actions, mean value of the states after them.",
    ),
    Group(
        "Does Q tell outcomes apart?",
        ("closing_auc",),
        "Held-out episodes: area under the curve of Q when the gripper closes or opens; "
        "0.5 is chance.",
        (0, 1),
    ),
    Group(
        "Successes in the batches",
        ("batch_success",),
        "Share of successes after re-balancing.",
        (0, 1),
    ),
)


def metrics_by_step(folder: Path) -> list[dict[str, float]]:
    """The metrics of a run, by step; nested names are joined with `/`.

    A line cut off at the end (the run still writes, or was killed) is left out; where a resumed
    run wrote a step again, the later line counts.

    Raises:
        InputError: No such file, no text, a line before the last is no JSON object with a `step`,
            or a step is not finite.
    """
    path = Path(folder) / METRICS
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "training run", where=path, got=str(error), expected=f"a folder with {METRICS}"
        ) from error
    by_step: dict[float, dict[str, float]] = {}
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            record = dict(_flat(json.loads(line)))
            by_step.setdefault(record["step"], {}).update(record)
        except (ValueError, KeyError, AttributeError, OverflowError) as error:
            if i == len(lines) - 1:
                break
            raise InputError(
                "metrics", where=f"{path}, line {i + 1}", got=repr(line[:80]),
                expected="a JSON object with `step`",
            ) from error  # fmt: skip
    if not all(math.isfinite(step) for step in by_step):
        raise InputError(
            "metrics", where=path, got="a step that is not finite", expected="numbers of steps"
        )
    return [by_step[step] for step in sorted(by_step)]


def _flat(record: dict, prefix: str = "") -> Iterable[tuple[str, float]]:
    """(name, value) of every number in a nested mapping."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + key, float(value)


def curves_section(run: Path | None) -> Section:
    """Charts of the known metrics together, and one for each family of unknown ones."""
    if run is None:
        return Section("curves", missing="No training run was given (--run DIR).")
    metrics = metrics_by_step(run)
    if not metrics:
        return Section("curves", missing=f"{run} has no metrics yet.")
    names = [n for n in dict.fromkeys(k for record in metrics for k in record) if n not in AXES]
    charts = [_chart(metrics, group, members) for group, members in _grouped(names)]
    last = metrics[-1]
    seconds = last.get("seconds")
    return Section(
        "curves",
        data={
            "charts": charts,
            "steps": number(last["step"]),
            "wall": f"{seconds / 60:.1f} min" if seconds else "",
        },
    )


def _grouped(names: list[str]) -> list[tuple[Group, list[str]]]:
    """Names by the chart that they belong to; every name in exactly one."""
    left, groups = list(names), []
    for group in GROUPS:
        members = [name for name in left if name.split("/")[0] in group.metrics]
        left = [name for name in left if name not in members]
        if members:
            groups.append((group, members))
    families = dict.fromkeys(name.split("/")[0] for name in left)
    for family in families:
        members = [name for name in left if name.split("/")[0] == family]
        groups.append((Group(family.replace("_", " "), (family,)), members))
    return groups


def _chart(metrics: list[dict[str, float]], group: Group, members: list[str]) -> dict:
    """One chart, its key and what it says."""
    series = []
    for i, name in enumerate(members):
        points = [(m["step"], m[name]) for m in metrics if name in m]
        x, y = (np.array(column) for column in zip(*points, strict=True))
        label = name.split("/", 1)[-1].replace("_", " ")
        series.append(Series(label, thin(x), thin(y), style(i), dots=len(points) <= 25))
    svg = line_chart(
        series, title=group.title, x_label="step", y_range=group.y_range, width=270, height=180
    )
    return {
        "svg": svg,
        "keys": [(s.style, s.name) for s in series] if len(series) > 1 else [],
        "note": group.note,
    }
