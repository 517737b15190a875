"""What an evaluation of goals leaves beside the last pictures: a table and a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mtopt_bringup.goalset.goal_set import GoalSet
from mtopt_bringup.goalset.stories import goal_stories, some_of_each
from mtopt_bringup.result_text import finite
from mtopt_learning.report.goals import GoalStory, write_contact_sheet
from mtopt_spec.whole_file import write_aside

RESULT, SHEET = "reached.json", "goals.png"
_SHEET_GOALS = 12


def write_reached(out: Path, goals: GoalSet, result: Mapping) -> list[GoalStory]:
    """Writes `reached.json`, every goal in it, and `goals.png`, some of each kind.

    Args:
        out: Folder of the evaluation.
        goals: What was to be reached.
        result: Of `evaluate_goals`.

    Returns:
        A story a goal.
    """
    write_aside(out / RESULT, json.dumps(finite(dict(result)), indent=1).encode())
    stories = goal_stories(goals, result)
    write_contact_sheet(out / SHEET, some_of_each(stories, _SHEET_GOALS), columns=3)
    return stories
