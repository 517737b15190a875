"""How the volume of data and the success grew while it was collected."""

from __future__ import annotations

import numpy as np

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_learning.report.charts import MAX_POINTS, Series, line_chart, style, thin
from mtopt_learning.report.section import Section
from mtopt_learning.report.volume import own_outcomes

WINDOW = 50
"""Episodes over which a running success rate is taken, at least."""


def running_rate(
    outcomes: np.ndarray, window: int, points: int = MAX_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Success rate over the last judged episodes, with Wilson's 95 % interval.

    Args:
        outcomes: (n,) 1, 0 or NaN (not judged).
        window: Episodes that count at most; the curve begins with a fifth of them.
        points: At how many places it is calculated.

    Returns:
        (m,) int places in `outcomes`, and (m, 3) rate, low and high in [0, 1].
    """
    places = np.flatnonzero(np.isfinite(outcomes))
    if not len(places):
        return places, np.empty((0, 3))
    wins = np.concatenate([[0], np.cumsum(outcomes[places] > 0.5)])
    ends = np.arange(min(len(places), max(1, window // 5)), len(places) + 1)
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).astype(int))]
    rates = np.empty((len(ends), 3))
    for row, end in enumerate(ends):
        start = max(0, end - window)
        won, n = int(wins[end] - wins[start]), int(end - start)
        rates[row] = won / n, *wilson_interval(won, n)
    return places[ends - 1], rates


def success_curve(outcomes: np.ndarray, at: np.ndarray, window: int) -> Series:
    """The running success rate as a curve with its band over `at`, (n,) numbers of episodes."""
    places, rates = running_rate(outcomes, window)
    return Series("success", at[places], *rates.T[:1], "success", *rates.T[1:])


def run_name(episode_id: str) -> str:
    """The run of an episode: what stands before robot and number in `<run>-<robot>-<number>`."""
    return episode_id.rsplit("-", 2)[0]


def collection_order(dataset: Dataset) -> np.ndarray:
    """(episodes,) indices in the order of collection.

    Runs follow each other as they came into the dataset; within a run the robots worked side by
    side, so their episodes are ordered by number, then by robot.
    """
    runs: dict[str, int] = {}
    run = [runs.setdefault(run_name(name), len(runs)) for name in dataset.episode_ids]
    number = dataset.episodes["episode_number"].to_numpy()
    return np.lexsort((np.asarray(dataset.robot).astype(str), number, np.array(run, int)))


def growth_section(dataset: Dataset | None) -> Section:
    """Volume and running success over the episodes in the order of collection."""
    if dataset is None:
        return Section("growth", missing="No dataset was given (--dataset DIR).")
    own = own_outcomes(dataset)
    if not len(own):
        return Section("growth", missing="The dataset has no episodes.")
    order = collection_order(dataset)
    own, task = own[order], np.asarray(dataset.episode_task)[order]
    policy = np.asarray(dataset.episode_policy).astype(str)[order]
    count = np.arange(1, len(own) + 1)
    window = max(WINDOW, len(own) // 20)
    names = sorted(set(policy))
    by_policy = [
        Series(name, thin(count), thin(np.cumsum(policy == name)), style(i))
        for i, name in enumerate(names)
    ]
    overview = [
        line_chart(
            by_policy,
            title="Episodes of each policy",
            x_label="episodes",
            x_range=(0, len(own)),
            width=480,
            height=230,
        ),
        line_chart(
            [success_curve(own, count, window)],
            title=f"Success at the own task, last {window} episodes",
            x_label="episodes",
            x_range=(0, len(own)),
            y_range=(0, 1),
            percent=True,
            width=480,
            height=230,
        ),
    ]
    small = []
    for i, name in enumerate(dataset.tasks):
        mine = task == i
        if not mine.any():
            continue
        share = min(WINDOW, max(10, int(mine.sum()) // 5))
        small.append(
            line_chart(
                [
                    Series("share of the episodes", thin(count), thin(_progress(mine)), "muted"),
                    success_curve(own[mine], count[mine], share),
                ],
                title=f"{name} · {int(mine.sum()):,}",
                y_range=(0, 1),
                percent=True,
                width=240,
                height=140,
                x_range=(0, len(own)),
                max_x_ticks=2,
            )
        )
    return Section(
        "growth",
        data={
            "overview": overview,
            "small": small,
            "order": "Episodes in the order of collection: run after run, in each run the robots "
            "side by side. Success is that of the last episodes before; bands are 95 % intervals.",
            "policies": [(style(i), name) for i, name in enumerate(names)],
        },
    )


def _progress(mine: np.ndarray) -> np.ndarray:
    """(n,) share of a task's episodes that were collected so far."""
    return np.cumsum(mine) / max(1, int(mine.sum()))
