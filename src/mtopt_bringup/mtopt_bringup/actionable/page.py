"""The page of results: who reaches goals, what came downstream, the paper's figures beside."""

from __future__ import annotations

import math
from pathlib import Path

from mtopt_bringup.actionable import published
from mtopt_bringup.actionable.downstream import BESIDE, STARTS
from mtopt_bringup.actionable.rows import FIRST
from mtopt_bringup.actionable.scoring import ALL, verdict
from mtopt_bringup.markdown import table, write_sections
from mtopt_bringup.paper.scoring import group_mean, interval_text, rare, rate

_TITLES = {"known": "Objects of the data", "unseen": "Objects in no training episode"}


def write_page(path: Path, results: dict) -> None:
    """Replaces the page."""
    sections = [
        _head(results), _goals(results), *(_reached(results, name) for name in _TITLES),
        _ahead(results), _sheets(results), _fine_tuned(results), _beside(results),
        _training(results), _end(results),
    ]  # fmt: skip
    write_sections(path, sections)


def _head(results: dict) -> str:
    config, data = results["config"], results["data"]
    shown = config["rearrangements"]
    with_shown = f", {shown:,} of them a script's rearrangements" if shown else ""
    missing = "".join(f"\n\n**Failed: {n}: {text}**" for n, text in results["errors"].items())
    return (
        "# Actionable Models and what it is compared with\n\n"
        "Written by `mtopt benchmark goals`; docs/experiments.md says what its stages do "
        "and what differs from the paper. All rows "
        f"learned to reach goal pictures from one data set ({data['episodes']:,} episodes, "
        f"{data['observations']:,} observations, fingerprint `{data['fingerprint'][:12]}`"
        f"{with_shown}), "
        f"without its tasks and labels, in {config['steps']:,} gradient steps of "
        f"{config['goal_batch']} pairs of state and goal. They were measured on the same goals "
        f"in the scenes that these were shown in, at most {config['max_steps']} control steps "
        f"each, success by the simulator's truth, {config['seeds']} seed(s) a row, 95 % intervals "
        "by Wilson over all of them (seeds of one data set are not independent of each other). "
        "Figures of the paper (arXiv 2104.07749) are of its robots and data, and are given from "
        "memory: *about*."
        f"{missing}"
    )


def _goals(results: dict) -> str:
    rows = []
    for name, found in results["goal_sets"].items():
        for kind, about in found["kinds"].items():
            failed = ", ".join(f"{why}: {n}" for why, n in about["failed"].items())
            of_set = f"{name} ({found['world']})"
            rows.append([of_set, kind, str(about["goals"]), str(about["tries"]), failed])
    return (
        "## The goals\n\nScripts showed them; a demonstration that failed gave none. Three things "
        "are held out: *episodes and scenes* (both sets: fresh scenes by seeds of their own, their "
        "episodes are in no data set), *arrangements* (`place` and `rearrange`: where the object "
        "is to be) and *objects* (the unseen set). The last pictures of held-out episodes of the "
        "data set's own bags (`mtopt goals from-bags`) could be goals too, but nobody can say "
        "whether they were reached: no truth goes with them. So success is counted on the two "
        "sets alone.\n\n" + table(["goal set", "kind", "goals", "tries", "failed tries"], rows)
    )


def _reached(results: dict, name: str) -> str:
    scores = {row: sets[name] for row, sets in results["scores"].items() if name in sets}
    if not scores:
        return ""
    kinds = list(next(iter(scores.values())))
    rows = []
    for row, score in scores.items():
        cells = [_success(score[kind]) for kind in kinds]
        rows.append([results["titles"][row], *cells, _distance(score[ALL])])
    if name == "known":
        paper = [f"about {published.REACHED[k]:.2f}" if k != ALL else "" for k in kinds]
        rows.append(["*paper, its Actionable Models*", *paper, ""])
    far = [
        [results["titles"][row], *(_distance(score[kind]) for kind in kinds)]
        for row, score in scores.items()
    ]
    return (
        f"## {_TITLES[name]}\n\nSuccess rate (interval); last, the median distance of the object "
        "from where the goal shows it, at the end.\n\n"
        + table(["row", *kinds, "distance"], rows)
        + "\n\nMedian distance by kind:\n\n"
        + table(["row", *kinds], far)
    )


def _ahead(results: dict) -> str:
    scores = results["scores"]
    if FIRST not in scores or len(scores) < 2:
        return ""
    rows, verdicts = [], []
    for row, sets in scores.items():
        for name in sets if row != FIRST else ():
            ours = scores[FIRST].get(name)
            if ours is None:
                continue
            found = [verdict(ours[kind], sets[name][kind]) for kind in ours]
            rows.append([results["titles"][row], name, *found])
            verdicts.append(found[-1])
    kinds = list(next(iter(next(iter(scores.values())).values())))
    return (
        "## Is Actionable Models ahead?\n\n*Ahead*: its interval lies above the other row's; "
        "*behind*: below; *not told apart*: they overlap. Over all kinds it is ahead in "
        f"{verdicts.count('ahead')} of {len(verdicts)} comparisons, behind in "
        f"{verdicts.count('behind')}.\n\n" + table(["against", "goal set", *kinds], rows)
    )


def _sheets(results: dict) -> str:
    if not results["sheets"]:
        return ""
    pictures = "\n\n".join(
        f"{name}: {results['titles'][sheet['row']]}, seed {sheet['seed']}\n\n"
        f"![{name} goals]({sheet['file']})"
        for name, sheet in results["sheets"].items()
    )
    return (
        "## Pictures\n\nStart, goal and end of some goals of each kind, spread evenly over the "
        f"set; green: reached, red: not.\n\n{pictures}"
    )


def _fine_tuned(results: dict) -> str:
    found = results["fine_tuned"]
    if not found:
        return ""
    config, groups = results["config"], {}
    for one in found:
        groups.setdefault((one["task"], one["episodes"]), {})[one["start"]] = one
    rows = []
    for (task, episodes), starts in groups.items():
        paper = published.FINE_TUNED.get(task)
        both = [starts[start]["score"] for start in STARTS if start in starts]
        rows.append([
            task, f"{episodes:,}", _list(next(iter(starts.values()))["own_successes"]),
            *(_success(starts[s]["score"]) if s in starts else "" for s in STARTS),
            verdict(both[1], both[0]) if len(both) == len(STARTS) else "",
            "" if paper is None else f"about {paper[0]:.2f} to {paper[1]:.2f}",
        ])  # fmt: skip
    own = ", ".join(f"{task} {results['own_episodes'][task]:,}" for task in config["tasks"])
    return (
        f"## Fine-tuning on little data\n\nA task alone, {config['fine_tune_steps']:,} gradient "
        "steps, of so many of its own episodes, drawn by the seed; the same network from scratch "
        "and from the row Actionable Models, whose weights saw the whole data set without its "
        "labels. "
        f"{config['evaluation_episodes']} episodes in fresh scenes each and seed. Where a task has "
        f"fewer episodes than {_list(config['episodes'])}, all are taken; there are: {own}.\n\n"
        + table(
            ["task", "episodes", "successes among them", *STARTS.values(),
             "pre-trained against scratch", "paper: from scratch to pre-trained"], rows,
        )
    )  # fmt: skip


def _beside(results: dict) -> str:
    scores, config = results["beside"], results["config"]
    if not scores:
        return ""
    names = list(next(iter(scores.values()))["tasks"])
    rows = [
        [name, *(_success(scores[row]["tasks"][name]) if row in scores else "" for row in BESIDE)]
        for name in names
    ]
    any_score = next(iter(scores.values()))
    for title, some in (
        ("rare lifts", rare(any_score, "lift")), ("rare places", rare(any_score, "place")),
        ("all tasks", tuple(names)),
    ):  # fmt: skip
        means = [group_mean(scores[row], some) if row in scores else math.nan for row in BESIDE]
        rows.append([f"**{title}**", *(f"**{_number(mean)}**" for mean in means)])
    return (
        f"## Goals beside tasks\n\nAll tasks, {config['beside_steps']:,} gradient steps of "
        f"{config['train']['batch']} states, without goals and with {config['beside_batch']} pairs "
        "of state and goal beside them; the same fresh scenes, "
        f"{config['evaluation_episodes']} episodes a task and seed.\n\n"
        + table(["task", *BESIDE.values()], rows)
    )


def _training(results: dict) -> str:
    rows = []
    for name, runs in results["trained"].items():
        figures = runs[0].get("figures", {})
        rows.append(
            [results["titles"][name], f"{runs[0]['steps']:,}", f"{runs[0]['seconds']:,.0f}",
             f"{runs[0]['parameters']:,}",
             *(_number(figures.get(key)) for key in ("q_hindsight", "q_chained"))]
        )  # fmt: skip
    return (
        "## Training\n\nSeed 0; Q is a batch's mean, of recorded actions, at the end.\n\n"
        + table(
            ["row", "steps", "seconds", "parameters", "Q to hindsight goals", "Q to chained goals"],
            rows,
        )
    )


def _end(results: dict) -> str:
    seconds, config = results["stage_s"], results["config"]
    kinds = ("goals", "train", "evaluate")
    spent = {kind: sum(s for name, s in seconds.items() if name.startswith(kind)) for kind in kinds}
    settings = ", ".join(f"{k} {v}" for k, v in config.items() if isinstance(v, (int, float)))
    return (
        "## Where these figures are from\n\n"
        f"- Command: `{results['command']}` (the last one, which wrote this page).\n"
        f"- Commit `{results['commit'][:12]}`; {results['versions']}.\n"
        f"- Machine: {results['machine']}.\n"
        "- Seconds of the stages, downstream ones included, added up (they run side by side): "
        + ", ".join(f"{kind} {s:,.0f}" for kind, s in spent.items())
        + f".\n- Settings: {settings}."
    )


# -- cells ------------------------------------------------------------------------------------


def _success(score: dict) -> str:
    return f"{rate(score):.2f} ({interval_text(score)})" if score["attempts"] else "-"


def _distance(score: dict) -> str:
    far = score["median_distance_m"]
    return "-" if math.isnan(far) else f"{100 * far:.1f} cm"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"


def _list(values) -> str:
    return ", ".join(f"{value:,}" for value in values)
