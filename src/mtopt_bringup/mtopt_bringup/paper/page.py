"""The page of results: the paper's tables with its figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mtopt_bringup.markdown import table, write_sections
from mtopt_bringup.paper import published
from mtopt_bringup.paper.arms import ONLINE, ROUNDS_TITLE
from mtopt_bringup.paper.curves import draw_curves
from mtopt_bringup.paper.scoring import (
    chance_floor,
    group_mean,
    interval_text,
    orderings,
    rare,
    rate,
)

_MAIN = (
    ("mt_opt", "MT-Opt"), ("naive", "naive multi-task"), ("share_all_once", "share everything"),
)  # fmt: skip
_ABLATION = (
    ("own task only (f_orig)", "naive", "orig_rebalanced"),
    ("all tasks (f_all)", "share_all", "all_rebalanced"),
    ("same skill (f_skill)", "skill_uniform", "mt_opt"),
)


def write_page(path: Path, results: dict) -> None:
    """Writes the page and its picture, `<page>_curves.png`, beside it."""
    titles = {arm["name"]: arm["title"] for arm in results["arms"]}
    picture = path.with_name(path.stem + "_curves.png")
    rounds = [_round_rate(one) for one in results["online"] if "collected" in one]
    draw_curves(picture, titles, results["curves"], rounds)
    sections = [
        _head(results), _data(results), _main(results), _ablation(results), _rows(results, titles),
        _orderings(results), _online(results, rounds), _curves(picture, results, titles),
        _training(results, titles), _provenance(results),
    ]  # fmt: skip
    write_sections(path, sections)


def _head(results: dict) -> str:
    config = results["config"]
    missing = "".join(f"\n\n**Failed: {n}: {text}**" for n, text in results["errors"].items())
    return (
        "# MT-Opt and what it is compared with\n\n"
        "Written by `mtopt benchmark paper`; docs/experiments.md says what its stages do. All rows "
        "learned from one data set with the same number of gradient steps and were measured in the "
        f"same fresh scenes: {config['evaluation_episodes']} episodes a task and seed, "
        f"{config['seeds']} seed(s) a row, 95 % intervals by Wilson over all of them (seeds of one "
        "data set are not independent of each other), success by the simulator's truth. Figures "
        "of the paper (arXiv 2104.08212) are of its robots and its data, 800,000 episodes."
        f"{missing}"
    )


def _data(results: dict) -> str:
    data = results["data"]
    rows = []
    for name, task in data["tasks"].items():
        learned = task["policies"].get("qfunction", 0)
        rows.append(
            [name, f"{task['own']:,}", f"{learned:,}", f"{task['own_successes']:,}",
             f"{task['skill_successes']:,}"]
        )  # fmt: skip
    most, least = (f(t["own"] for t in data["tasks"].values()) for f in (max, min))
    return (
        f"## The data set\n\n{data['episodes']:,} episodes, {data['observations']:,} observations, "
        f"{data['void_episodes']} void; the most collected task has {most / max(least, 1):.0f} "
        f"times the episodes of the least. Fingerprint `{data['fingerprint'][:12]}`.\n\n"
        + table(
            ["task", "own episodes", "by the learned policy", "own successes",
             "successes in its skill (f_skill)"], rows,
        )
    )  # fmt: skip


def _main(results: dict) -> str:
    scores = results["scores"]
    rows = []
    for task in published.TASKS:
        cells = []
        for row, _ in _MAIN:
            cells += [_cell(scores.get(row), task), _number(published.rate(row, task))]
        single = scores.get("single_" + task.replace("-", "_"))
        cells += [_cell(single, task), _number(published.rate("single", task))]
        rows.append([task, *cells])
    for title, names in _groups():
        cells = []
        for row, _ in _MAIN:
            ours = group_mean(scores[row], names) if row in scores else math.nan
            cells += [f"**{_number(ours)}**", _number(published.mean(row, names))]
        rows.append([f"**{title}**", *cells, "", ""])
    floors = [
        f"{title} {_number(chance_floor(scores[row]))}" for row, title in _MAIN if row in scores
    ]
    heads = [title for _, title in _MAIN] + ["single task"]
    return (
        "## Success\n\n"
        + table(["task", *(x for head in heads for x in (head, "paper"))], rows)
        + "\n\nChance floor of a rare lift, which a row reaches that lifts as well as it does but "
        f"ignores the task (lift-any over the objects in a scene): {', '.join(floors) or '-'}."
    )


def _ablation(results: dict) -> str:
    scores = results["scores"]
    rows = []
    for title, *names in _ABLATION:
        cells = []
        for name in names:
            paper = " / ".join(_number(x) for x in published.ABLATION.get(name, ()))
            cells += [_spread(scores.get(name)), paper or "not known"]
        rows.append([title, *cells])
    return (
        "## Sharing and re-balancing\n\nLeast / mean / largest of the tasks / mean of the rare "
        "ones (the paper's: of its low-data tasks).\n\n"
        + table(["sharing", "uniform", "paper", "re-balanced", "paper"], rows)
    )


def _rows(results: dict, titles: dict[str, str]) -> str:
    rows = []
    for name, score in results["scores"].items():
        lifts, places = rare(score, "lift"), rare(score, "place")
        means = score["means"]
        spread = f"{min(means):.2f} to {max(means):.2f}" if len(means) > 1 else ""
        floor = _number(chance_floor(score)) if "lift-any" in score["tasks"] else ""
        rows.append(
            [titles.get(name, ROUNDS_TITLE), _cell(score, "lift-any"),
             _cell(score, "place-any"), _number(group_mean(score, lifts)), floor,
             _number(group_mean(score, places)), _number(score["mean"]), spread]
        )  # fmt: skip
    return "## All rows\n\nMeans are over the tasks that a row learned.\n\n" + table(
        ["row", "lift-any", "place-any", "rare lifts", "their floor", "rare places", "all tasks",
         "seeds' means"], rows,
    )  # fmt: skip


def _orderings(results: dict) -> str:
    found = orderings(results["scores"])
    if not found:
        return ""
    rows = [
        [one.claim, one.paper, one.figures, one.verdict.replace("differs", "**differs**")]
        for one in found
    ]
    counts = {v: sum(one.verdict == v for one in found) for v in ("as published", "differs")}
    claims = table(["claim", "paper", "here", "verdict"], rows)
    return (
        f"## Orderings\n\nOf {len(found)} orderings of the paper {counts['as published']} are "
        "found here with intervals that do not overlap, "
        f"{counts['differs']} are the other way round, the others are not told apart.\n\n{claims}"
    )


def _online(results: dict, rounds: Sequence[float]) -> str:
    if not rounds:
        return ""
    config = results["config"]
    measured = [
        [
            str(number), _cell(score, "lift-any"), _number(group_mean(score, rare(score, "lift-"))),
            _number(group_mean(score, rare(score, "place-"))),
            _number(group_mean(score, rare(score))), _number(score["mean"]),
        ]
        for number, score in results["online_scores"].items()
    ]  # fmt: skip
    rows = [[str(i + 1), _number(x)] for i, x in enumerate(rounds)]
    return (
        f"## On-policy rounds\n\nThe row `{ONLINE}` (seed 0) goes on: {len(rounds)} rounds of "
        f"{config['online_episodes']} episodes of all tasks, by the scheduler's need, with "
        f"exploration noise, and {config['online_steps']} gradient steps each. Measured in the "
        "fresh scenes of the rows:\n\n"
        + table(
            ["rounds", "lift-any", "rare lifts", "rare places", "rare tasks", "all tasks"], measured
        )
        + "\n\nOf the rounds' own episodes, exploring. Which tasks are offered changes as they get "
        "better, so these are no curve of one thing:\n\n"
        + table(["round", "success of all its episodes"], rows)
    )


def _curves(picture: Path, results: dict, titles: dict[str, str]) -> str:
    rows = []
    for name, points in results["curves"].items():
        if points:
            shown = [points[min(int(len(points) * q), len(points) - 1)] for q in (0, 0.33, 0.66, 1)]
            rows.append([titles[name], *(f"{auc:.2f} ({step:,})" for step, auc in shown)])
    return (
        f"## Learning curves\n\n![AUC over gradient steps]({picture.name})\n\nAUC with which Q at "
        "the moment of closing (or opening) the gripper tells success from failure, mean of the "
        "tasks, on held-out episodes that count for them (so rows of different sharing are "
        "measured on different episodes); in brackets the steps.\n\n"
        + table(["row", "first", "a third", "two thirds", "last"], rows)
    )


def _training(results: dict, titles: dict[str, str]) -> str:
    rows = [
        [titles[name], f"{runs[0]['steps']:,}", f"{runs[0]['seconds']:,.0f}",
         f"{runs[0]['parameters']:,}"]
        for name, runs in results["trained"].items()
    ]  # fmt: skip
    return "## Training\n\n" + table(["row", "steps", "seconds (seed 0)", "parameters"], rows)


def _provenance(results: dict) -> str:
    seconds = results["stage_s"]
    kinds = ("collect", "data", "train", "evaluate", "online")
    spent = {kind: sum(s for name, s in seconds.items() if name.startswith(kind)) for kind in kinds}
    config = results["config"]
    settings = ", ".join(f"{k} {v}" for k, v in config.items() if isinstance(v, (int, float)))
    exported = results["exported"]
    best = (
        f"\n- Best checkpoint of all tasks, exported: {exported['row']}, mean "
        f"{exported['mean']:.2f}, {exported['bytes'] / 1e6:.1f} MB."
        if exported
        else ""
    )
    return (
        "## Where these figures are from\n\n"
        f"- Commit `{results['commit'][:12]}`; {results['versions']}.\n"
        f"- Machine: {results['machine']}.\n"
        "- Seconds of the stages, added up (rows run side by side): "
        + ", ".join(f"{kind} {s:,.0f}" for kind, s in spent.items())
        + f".\n- Settings: {settings}.{best}"
    )


# -- cells ------------------------------------------------------------------------------------


def _groups() -> list[tuple[str, tuple[str, ...]]]:
    rare_tasks = [task for task in published.TASKS if not task.endswith("-any")]
    lifts = tuple(task for task in rare_tasks if task.startswith("lift"))
    places = tuple(task for task in rare_tasks if task.startswith("place"))
    return [
        ("rare lifts", lifts), ("rare places", places), ("rare tasks", lifts + places),
        ("all tasks", published.TASKS),
    ]  # fmt: skip


def _cell(score: dict | None, task: str) -> str:
    if score is None or task not in score["tasks"]:
        return ""
    row = score["tasks"][task]
    return f"{rate(row):.2f} ({interval_text(row)})"


def _spread(score: dict | None) -> str:
    if score is None:
        return ""
    rates = [rate(row) for row in score["tasks"].values()]
    numbers = (min(rates), score["mean"], max(rates), group_mean(score, rare(score)))
    return " / ".join(_number(x) for x in numbers)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"


def _round_rate(one: dict) -> float:
    tasks = one["collected"]["tasks"].values()
    return sum(t["successes"] for t in tasks) / max(sum(t["attempts"] for t in tasks), 1)
