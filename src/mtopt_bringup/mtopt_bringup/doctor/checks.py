"""What a check found, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OK, FAIL, NOT_DONE = "ok", "FAIL", "not done"


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: What was looked at.
        state: `ok`, `FAIL` or `not done`.
        detail: What was found, or why it was not done; a failed one says what was expected.
        figures: What was measured, units in the names.
    """

    name: str
    state: str
    detail: str
    figures: Mapping[str, object] = field(default_factory=dict)


def judged(name: str, problems: Sequence[str], detail: str, **figures) -> Check:
    """A check that fails where there is a problem."""
    text = "; ".join([*problems, detail]) if detail else "; ".join(problems)
    return Check(name, FAIL if problems else OK, text, figures)


def not_done(name: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(name, NOT_DONE, why)


def table(checks: Sequence[Check]) -> str:
    """The checks line by line, in columns."""
    width = max(len(check.name) for check in checks)
    return "\n".join(f"{c.state:8}  {c.name:{width}}  {c.detail}" for c in checks)
