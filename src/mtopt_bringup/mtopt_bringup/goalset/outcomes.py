"""What came of goals so far, on disk, and as the result that people see."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from pathlib import Path

from mtopt_bringup.goalset.ends import EndFolder
from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_learning.evaluate.scores import score_tasks
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside

PROGRESS = "progress.json"
_SAME_START = 4.0
"""Mean difference of values up to which two pictures show the same start."""


def outcome_result(goals: GoalSet, done: dict[int, dict], ends: EndFolder) -> dict:
    """The result of `evaluate_goals`, of every goal's outcome.

    Raises:
        InputError: Of all that were tried no episode was complete: this says nothing of a policy.
    """
    tried = [outcome for outcome in done.values() if outcome["success"] is not None]
    if tried and all("fault" in outcome for outcome in tried):
        raise InputError(
            "evaluation", where=ends.folder.parent,
            got=f"{len(tried)} goals with void episodes only: {tried[-1]['fault']}",
            expected="episodes that are complete",
            todo="remove the folder to try again, or name another one",
        )  # fmt: skip
    rows, attempts, successes, distances = [], Counter(), Counter(), {}
    for number, shown in enumerate(goals.goals):
        outcome = done[number]
        success, picture = outcome["success"], ends.picture(number)
        distance = _number(outcome.get("distance_m"))
        rows.append(
            {
                "number": number, "kind": shown.kind, "object": shown.goal.truth.object,
                "success": success, "distance_m": distance, "steps": outcome.get("steps"),
                "q": _number(outcome.get("q")), "end": str(picture) if picture.exists() else None,
            }
        )  # fmt: skip
        attempts[shown.kind] += success is not None
        successes[shown.kind] += bool(success)
        if not math.isnan(distance):
            distances.setdefault(shown.kind, []).append(distance)
    scores = score_tasks({kind: (attempts[kind], successes[kind]) for kind in goals.counts()})
    for kind, score in scores["tasks"].items():
        near = distances.get(kind)
        score["median_distance_m"] = statistics.median(near) if near else math.nan
    others = [n for n, o in done.items() if (o.get("start_difference") or 0.0) > _SAME_START]
    return {
        "kinds": scores["tasks"],
        "mean": scores["mean"],
        "goals": rows,
        "unprepared": sorted(n for n, o in done.items() if o["success"] is None),
        "other_starts": sorted(others),
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def begin_or_go_on(out: Path, about: dict, ends: EndFolder) -> dict[int, dict]:
    """The outcomes that `out` holds of this evaluation; those of another one are removed.

    Raises:
        InputError: The folder is somebody else's, or damaged.
    """
    done = _read_outcomes(out, about)
    if not done:
        write_outcomes(out, about, {})  # first: what is removed belongs to nothing any more
        ends.clear()
    return done


def _read_outcomes(out: Path, about: dict) -> dict[int, dict]:
    path, todo = out / PROGRESS, "remove the folder to begin anew, or name another one"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                "folder to write", where=out, got=f"no {PROGRESS}, and other files",
                expected=f"none, an empty one, or one with a {PROGRESS} of `mtopt goals reach`",
                todo=todo,
            )  # fmt: skip
        return {}
    try:
        stored = json.loads(path.read_text())
        if stored["about"] != about:
            return {}
        return {int(number): dict(outcome) for number, outcome in stored["goals"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "progress", where=path, got=f"{error}", expected="what `mtopt goals reach` wrote",
            todo=todo,
        ) from error  # fmt: skip


def write_outcomes(out: Path, about: dict, done: dict[int, dict]) -> None:
    """Writes the outcomes of finished episodes aside and renames them."""
    out.mkdir(parents=True, exist_ok=True)
    plain = {
        str(number): {k: None if v != v else v for k, v in outcome.items()}
        for number, outcome in done.items()
    }
    write_aside(out / PROGRESS, json.dumps({"about": about, "goals": plain}).encode())
