"""The paper's own figures: MT-Opt (arXiv 2104.08212), results chart and ablation."""

from __future__ import annotations

TASKS = (
    "lift-any", "lift-banana", "lift-bottle", "lift-sausage", "lift-milk", "lift-box", "lift-can",
    "lift-carrot", "place-any", "place-bottom", "place-top-left", "place-top-right",
)  # fmt: skip

SUCCESS: dict[str, dict[str, float]] = {
    row: dict(zip(TASKS, rates))
    for row, rates in {
        "mt_opt": (0.89, 0.33, 0.69, 0.38, 0.51, 0.29, 0.43, 0.70, 0.85, 0.87, 0.53, 0.54),
        "naive": (0.94, 0.13, 0.16, 0.10, 0.13, 0.12, 0.16, 0.41, 0.86, 0.43, 0.23, 0.16),
        "share_all_once": (0.62, 0.09, 0.15, 0.15, 0.13, 0.08, 0.07, 0.37, 0.30, 0.30, 0.19, 0.08),
        "single": (0.88, 0.04, 0.02, 0.02, 0.01, 0.00, 0.01, 0.71),
        "two_tasks": (0.82, *[None] * 7, 0.63),
    }.items()
}
"""Row to task to success rate over 100 trials, one offline data set; None: not reported."""

ABLATION: dict[str, tuple[float | None, ...]] = {
    "naive": (0.10, 0.32, 0.94, 0.18),
    "orig_rebalanced": (0.16, 0.55, 0.85, 0.42),
    "share_all": (0.07, 0.21, 0.62, None),
    "mt_opt": (0.29, 0.58, 0.89, 0.50),
}
"""Row to the tasks' least, mean and largest success, and the mean of the low-data tasks."""


def rate(row: str, task: str) -> float | None:
    """The paper's success rate, where it gives one."""
    return SUCCESS.get(row, {}).get(task)


def mean(row: str, tasks: tuple[str, ...]) -> float | None:
    """Its mean over tasks; None where one is not reported."""
    rates = [rate(row, task) for task in tasks]
    return None if not rates or None in rates else sum(rates) / len(rates)
