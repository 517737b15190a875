"""How far the success detector can be trusted: confusion of each task, calibration, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.report.charts import Series, line_chart
from mtopt_learning.report.judgements import Judgements, held_out_judgements, stored_judgements
from mtopt_learning.report.pictures import data_uri, strip
from mtopt_learning.report.section import Section
from mtopt_learning.success.metrics import calibration_error, reliability
from mtopt_learning.train.diagnostics import area_under_curve

MISTAKES = 12


def detector_section(
    folder: Path | None, dataset: Dataset | None, shown: int = MISTAKES
) -> Section:
    """Confusion, calibration and gravest mistakes against labels that count as true."""
    if dataset is None:
        lacks = "--dataset DIR" if folder else "--detector DIR and --dataset DIR"
        return Section("detector", missing=f"There is nothing to judge: {lacks} was not given.")
    judged = held_out_judgements(dataset, folder) if folder else stored_judgements(dataset)
    if judged is None:
        return Section(
            "detector",
            missing="No detector was given (--detector DIR), and the dataset holds no judgements "
            "of one (mtopt label).",
        )
    known = np.isfinite(judged.probability)
    rows = [
        confusion_row(task, *(a[known[:, t], t] for a in _parts(judged)))
        for t, task in enumerate(judged.tasks)
        if known[:, t].any()
    ]
    total = confusion_row("All tasks", *(a[known] for a in _parts(judged))) | {"total": True}
    probability, truth = judged.probability[known], judged.truth[known]
    chart = line_chart(
        [reliability_curve(probability, truth)],
        title="Reliability",
        x_label="judged probability of success",
        y_range=(0, 1),
        x_range=(0, 1),
        diagonal=True,
        width=420,
        height=330,
    )
    return Section(
        "detector",
        data={
            "origin": judged.origin,
            "rows": [*rows, total],
            "reliability": chart if judged.calibrated else "",
            "gap": f"{calibration_error(probability, truth):.3f}",
            "mistakes": mistakes(dataset, judged, shown),
        },
    )


def _parts(judged: Judgements) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability, decision and truth."""
    return judged.probability, judged.said, judged.truth


def confusion_row(name: str, probability: np.ndarray, said: np.ndarray, truth: np.ndarray) -> dict:
    """A table row: counts of right and wrong, precision, recall, AUC.

    Counts carry their share of the truly successful or failed, for their shade.

    Args:
        name: The task.
        probability: (n,) as judged.
        said: (n,) bool, the decision.
        truth: (n,) bool.
    """
    tp, fn = int((said & truth).sum()), int((~said & truth).sum())
    fp, tn = int((said & ~truth).sum()), int((~said & ~truth).sum())
    auc = area_under_curve(probability, truth)
    return {
        "name": name,
        "cells": [
            ("success", tp, f"{tp / max(tp + fn, 1):.3f}"),
            ("failure", fn, f"{fn / max(tp + fn, 1):.3f}"),
            ("failure", fp, f"{fp / max(fp + tn, 1):.3f}"),
            ("success", tn, f"{tn / max(fp + tn, 1):.3f}"),
        ],
        "precision": f"{100 * tp / (tp + fp):.0f} %" if tp + fp else "–",
        "recall": f"{100 * tp / (tp + fn):.0f} %" if tp + fn else "–",
        "auc": f"{auc:.3f}" if np.isfinite(auc) else "–",
        "total": False,
    }


def reliability_curve(probability: np.ndarray, truth: np.ndarray) -> Series:
    """Share of successes against the mean judged probability, in ten bins, with 95 % intervals."""
    points = reliability(probability, truth)
    names = ("judged", "succeeded", "low", "high")
    x, y, low, high = (np.array([point[name] for point in points]) for name in names)
    return Series("detector", x, y, "s0", low, high, dots=True)


def mistakes(dataset: Dataset, judged: Judgements, count: int) -> list[dict]:
    """Wrong judgements with the last frames they were made on, the surest ones first."""
    wrong = np.isfinite(judged.probability) & (judged.said != judged.truth)
    sure = np.where(wrong, np.abs(judged.probability - (~judged.said)), -1.0)
    shown = []
    for flat in np.argsort(-sure, axis=None, kind="stable")[: min(count, int(wrong.sum()))]:
        row, task = np.unravel_index(flat, sure.shape)
        episode = int(judged.episodes[row])
        last = int(dataset.episode_start[episode] + dataset.episode_steps[episode])
        frames = [dataset.images[camera][last] for camera in dataset.cameras]
        shown.append(
            {
                "picture": data_uri(strip([frames], 96)),
                "task": judged.tasks[task],
                "id": str(dataset.episode_ids[episode]),
                "said": "success" if judged.said[row, task] else "failure",
                "probability": f"{judged.probability[row, task]:.2f}",
            }
        )
    return shown
