"""The page of results: each new task by each policy, the paper's figures beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtopt_bringup.markdown import table, write_sections
from mtopt_bringup.paper.scoring import interval_text, rate

PUBLISHED = {
    "lift-cloth": {"fine_tuned": 0.70, "control": 0.33},
    "cover-object": {"fine_tuned": 0.44, "control": 0.05},
}
"""Task to row to the paper's success rate (arXiv 2104.08212): after 11,000 lift-cloth and 3,000
cover-object attempts beside 800,000 old episodes; the control is without those."""
_WHO = {"explorer": "the parent's policy", "script": "its script", "own": "its own policy"}


def write_page(path: Path, results: dict) -> None:
    """Replaces the page."""
    sections = [_head(results), _success(results), _data(results), _rounds(results), _end(results)]
    write_sections(path, sections)


def _head(results: dict) -> str:
    missing = "".join(f"\n\n**Failed: {n}: {text}**" for n, text in results["errors"].items())
    parents = ", ".join(f"{new} begins as {old}" for new, old in results["parents"].items())
    return (
        "# New tasks\n\n"
        "Written by `mtopt benchmark new-task`; docs/new-tasks.md says what it does. A run that "
        f"never met the new tasks' object (step {results['base']['step']}) goes on with them: "
        f"{parents}. All rows were measured in the same fresh scenes, "
        f"{results['config']['evaluation_episodes']} episodes a task, by the simulator's truth, "
        f"95 % intervals by Wilson, one seed.{missing}"
    )


def _success(results: dict) -> str:
    head, rows = ["row"], []
    for name in results["tasks"]:
        head += [name, "paper"]
    for row, title in results["titles"].items():
        cells = []
        for name, scores in results["tasks"].items():
            score, paper = scores.get(row), PUBLISHED.get(name, {}).get(row)
            cells += [
                f"{rate(score):.2f} ({interval_text(score)})" if score else "",
                "-" if paper is None else f"{paper:.2f}",
            ]
        rows.append([title, *cells])
    return "## Success\n\n" + table(head, rows) + "\n\n" + "\n".join(_findings(results))


def _findings(results: dict) -> list[str]:
    """The target's two halves in words: enough data saved, far enough above the control."""
    lines = []
    for name, scores in results["tasks"].items():
        if {"fine_tuned", "control"} <= set(scores):
            ours, control = rate(scores["fine_tuned"]), rate(scores["control"])
            apart = scores["fine_tuned"]["low"] > scores["control"]["high"]
            times = f"{ours / control:.1f} times the control" if control else "the control is at 0"
            verdict = "the intervals do not overlap" if apart else "the intervals overlap"
            lines.append(f"- {name}: {times}; {verdict}.")
    return lines


def _data(results: dict) -> str:
    rows = []
    for name in results["tasks"]:
        counts = [one["by"][name] for one in results["rounds"]]
        cells = [str(sum(one[who][column] for one in counts)) for who in _WHO for column in (0, 1)]
        rows.append([name, *cells])
    head = [f"{what} by {who}" for who in _WHO.values() for what in ("attempts", "successes")]
    return (
        f"## Data\n\n{results['old_episodes']:,} old episodes, none with the new object; "
        f"{results['new_episodes']:,} new ones, {100 * results['new_share']:.2f} % of the old "
        "(the paper's: 1.75 %).\n\n" + table(["task", *head], rows)
    )


def _rounds(results: dict) -> str:
    rows = []
    for number, one in enumerate(results["rounds"], 1):
        cells = []
        for name in results["tasks"]:
            by = one["by"][name]
            cells += [f"{one['shares'][name]['own']:.1f}", *(_ratio(by[who]) for who in _WHO)]
        rows.append([str(number), *cells])
    head = ["round"]
    for name in results["tasks"]:
        head += [f"{name}: own share", *_WHO.values()]
    return (
        "## Rounds\n\nA new task is collected by its parent's policy and its script, half each at "
        "first, later by how often they succeeded; then half by its own policy, or by that alone "
        "after a round in which it did as well. Successes of attempts, exploration included."
        f" Then {results['config']['steps']:,} gradient steps on old and new data.\n\n"
        + table(head, rows)
    )


def _end(results: dict) -> str:
    config = ", ".join(f"{key} {value}" for key, value in results["config"].items())
    spent = ", ".join(f"{name} {seconds:,.0f}" for name, seconds in results["stage_s"].items())
    return (
        "## Where these figures are from\n\n"
        f"- Commit `{results['commit'][:12]}`; {results['versions']}.\n"
        f"- Machine: {results['machine']}.\n"
        f"- Seconds of the stages (the last ones run side by side): {spent}.\n"
        f"- Settings: {config}."
    )


def _ratio(counts: Sequence[int]) -> str:
    attempts, successes = counts
    return f"{successes} of {attempts}" if attempts else "-"
