"""A goal set, and what an evaluation found, as the page of goals takes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_learning.report.goals import GoalStory


def goal_stories(goals: GoalSet, result: Mapping | None = None) -> list[GoalStory]:
    """One story a goal.

    Args:
        goals: The goals.
        result: What `evaluate_goals` gave for them; None: nobody tried.
    """
    found = {} if result is None else {row["number"]: row for row in result["goals"]}
    stories = []
    for number, shown in enumerate(goals.goals):
        row = found.get(number, {})
        truth = shown.goal.truth
        stories.append(
            GoalStory(
                number,
                shown.kind,
                truth.object if truth is not None else shown.source,
                shown.start_jpeg,
                shown.goal.images_jpeg[goals.camera],
                Path(row["end"]).read_bytes() if row.get("end") else None,
                *(row[key] for key in ("success", "distance_m", "q", "steps") if row),
            )
        )
    return stories


def some_of_each(stories: Sequence[GoalStory], count: int) -> list[GoalStory]:
    """Of each kind `count` stories, spread evenly; failures as often as they are."""
    kinds: dict[str, list[GoalStory]] = defaultdict(list)
    for story in stories:
        kinds[story.kind].append(story)
    chosen = []
    for mine in kinds.values():
        taken = min(count, len(mine))
        chosen += [mine[i * len(mine) // taken] for i in range(taken)]
    return chosen
