"""A section of the page: what it shows, or why it shows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HEADINGS = {
    "volume": ("Data and success of each task", "Data"),
    "growth": ("How volume and success grew", "Growth"),
    "evaluation": ("Evaluation", "Evaluation"),
    "curves": ("Learning curves", "Learning"),
    "contact": ("What the episodes look like", "Episodes"),
    "qvalue": ("Q along an episode", "Q-values"),
    "detector": ("Success detector", "Detector"),
    "integrity": ("What was lost", "Losses"),
    "provenance": ("Provenance", "Provenance"),
}
"""Section to its heading, and its name in the navigation."""


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        id: A key of `HEADINGS`: its anchor, and the name of its block in the template.
        missing: Why there is nothing to show, with the option that would give it; empty if there
            is something.
        data: What the template needs.
    """

    id: str
    missing: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its heading."""
        return HEADINGS[self.id][0]

    @property
    def short(self) -> str:
        """Its name in the navigation."""
        return HEADINGS[self.id][1]
