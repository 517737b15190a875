"""What goals look like and how episodes that were to reach them ended: a page, a contact sheet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mtopt_learning.report.page import environment, page_css, write_page
from mtopt_learning.report.pictures import FRAME_PX, data_uri, strip
from mtopt_learning.report.provenance import provenance_section
from mtopt_learning.report.rates import rate_row
from mtopt_spec.errors import InputError
from mtopt_spec.image_codec import decode_jpeg
from mtopt_spec.whole_file import write_aside

_EDGE_PX = 3
_SUCCESS, _FAILURE, _GROUND = (15, 138, 102), (209, 96, 61), (255, 255, 255)


@dataclass(frozen=True)
class GoalStory:
    """One goal, and how the episode that was to reach it ended, if there was one.

    Attributes:
        number: Of the goal in its set.
        kind: `grasp`, `place`, `rearrange` or `recorded`.
        object: Name of what is to be moved; "" where it is not known.
        start_jpeg, goal_jpeg: Pictures.
        end_jpeg: The last picture of the episode; None without one.
        success: Whether it was reached; None where nobody tried.
        distance_m: From the object to where the goal shows it, at the end; NaN: not known.
        q: Of the last action, in [0, 1]; NaN: not known.
        steps: Of the episode.
    """

    number: int
    kind: str
    object: str
    start_jpeg: bytes = field(repr=False)
    goal_jpeg: bytes = field(repr=False)
    end_jpeg: bytes | None = field(default=None, repr=False)
    success: bool | None = None
    distance_m: float = math.nan
    q: float = math.nan
    steps: int | None = None

    def pictures(self) -> list[np.ndarray | None]:
        """Start, goal, end: (h, w, 3) uint8 RGB each, None where there is none."""
        jpegs = (self.start_jpeg, self.goal_jpeg, self.end_jpeg)
        return [None if jpeg is None else decode_jpeg(jpeg) for jpeg in jpegs]


def write_goal_page(
    out: Path,
    title: str,
    stories: Sequence[GoalStory],
    inputs: Sequence[tuple[str, str]],
    argv: Sequence[str] | None = None,
) -> dict:
    """Writes one self-contained page.

    Args:
        out: The HTML file.
        title: Its heading.
        stories: What it shows, kind by kind, in their order.
        inputs: (what, its path and fingerprint or seed), for the provenance.
        argv: Command line, for the provenance; this process's own where None.

    Returns:
        `{report, bytes}`.

    Raises:
        InputError: The file cannot be written, or a picture is damaged.
    """
    tried = any(story.success is not None for story in stories)
    kinds = [_kind(kind, stories, tried) for kind in dict.fromkeys(s.kind for s in stories)]
    html = (
        environment()
        .get_template("goals.html.j2")
        .render(
            title=title,
            subtitle=f"{len(stories)} goal pictures"
            + (" and the episodes that were to reach them." if tried else "."),
            css=page_css(),
            kinds=kinds,
            measured=tried,
            columns="start, goal, end" if tried else "start, goal",
            rows=provenance_section(inputs, argv).data["rows"],
        )
    )
    write_page(Path(out), html)
    return {"report": str(out), "bytes": Path(out).stat().st_size}


def _kind(kind: str, stories: Sequence[GoalStory], tried: bool) -> dict:
    mine = [story for story in stories if story.kind == kind]
    known = [story.success for story in mine if story.success is not None]
    distances = [story.distance_m for story in mine if math.isfinite(story.distance_m)]
    return {
        "name": kind,
        "rate": rate_row(kind, sum(known), len(known)),
        "distance": f"{statistics.median(distances) * 100:.1f} cm" if distances else "",
        "goals": [_goal(story, tried) for story in mine],
    }


def _goal(story: GoalStory, tried: bool) -> dict:
    pictures = story.pictures() if tried else story.pictures()[:2]
    facts = [
        f"{story.distance_m * 100:.1f} cm" if math.isfinite(story.distance_m) else "",
        f"Q {story.q:.2f}" if math.isfinite(story.q) else "",
        f"{story.steps} steps" if story.steps is not None else "",
    ]
    outcomes = {True: "reached", False: "not reached", None: "not tried" if tried else ""}
    return {
        "number": story.number,
        "object": story.object,
        "picture": data_uri(strip([pictures], 2 * FRAME_PX)),
        "text": " · ".join(fact for fact in facts if fact),
        "outcome": outcomes[story.success],
        "style": {True: "success", False: "failure", None: "muted"}[story.success],
    }


def contact_sheet(
    stories: Sequence[GoalStory], columns: int = 4, frame_px: int = FRAME_PX
) -> np.ndarray:
    """Start, goal and end of goals in rows; a green edge round a goal that was reached, else red.

    Args:
        stories: What is shown, row by row.
        columns: Goals side by side.
        frame_px: Height and width of a picture.

    Returns:
        (h, w, 3) uint8 RGB on white.
    """
    if not stories or columns < 1:
        raise InputError(
            "contact sheet", where="goals", got=f"{len(stories)} goals, {columns} columns",
            expected="at least one of each",
        )  # fmt: skip
    shown = 3 if any(story.end_jpeg is not None for story in stories) else 2
    cells = []
    for story in stories:
        rgba = strip([story.pictures()[:shown]], frame_px)
        cell = np.where(rgba[..., 3:] > 0, rgba[..., :3], np.uint8(_GROUND))
        edge = {True: _SUCCESS, False: _FAILURE, None: _GROUND}[story.success]
        cells.append(_framed(_framed(cell, edge), _GROUND))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, 0)


def write_contact_sheet(out: Path, stories: Sequence[GoalStory], columns: int = 4) -> None:
    """Writes `contact_sheet` as a PNG, aside first.

    Raises:
        InputError: The file cannot be written.
    """
    out = Path(out)
    picture = cv2.cvtColor(contact_sheet(stories, columns), cv2.COLOR_RGB2BGR)
    try:
        write_aside(out, cv2.imencode(".png", picture)[1].tobytes())
    except OSError as error:
        raise InputError(
            "contact sheet", where=out, got=str(error), expected="a file in a writable folder"
        ) from error


def _framed(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    edges = (_EDGE_PX,) * 4
    return cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=colour)
