"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def auc_curve(metrics: Sequence[dict]) -> list[tuple[int, float]]:
    """Steps and, over the tasks that have one, the mean AUC of Q at the deciding moment."""
    points = [(record["step"], list(record.get("closing_auc", {}).values())) for record in metrics]
    return [(step, float(np.mean(values))) for step, values in points if values]


def draw_curves(
    path: Path, titles: Mapping[str, str], curves: Mapping[str, list], rounds: Sequence[float]
) -> None:
    """Writes a PNG: every row's AUC over its steps; the success in on-policy rounds.

    Args:
        path: Of the picture.
        titles: Row to its name in the legend.
        curves: Row to points (steps, AUC).
        rounds: Success rate of each on-policy round, exploration included.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, *right = np.atleast_1d(
        figure.subplots(1, 2, width_ratios=(3, 2)) if rounds else figure.subplots()
    )
    for i, (name, points) in enumerate((n, p) for n, p in curves.items() if p):
        steps, values = zip(*points)
        left.plot(steps, values, label=titles[name], linestyle="-" if i < 10 else "--", lw=1.3)
    left.set(xlabel="gradient steps", ylabel="AUC of Q at the deciding moment", title="offline")
    if any(curves.values()):
        figure.legend(fontsize=7, loc="outside right upper")
    for axes in right:
        axes.plot(range(1, len(rounds) + 1), rounds, marker="o")
        axes.set(xlabel="on-policy round", ylabel="success while exploring", ylim=(0, 1))
        axes.set_title("online")
    for axes in (left, *right):
        axes.grid(alpha=0.3)
    figure.savefig(path)
