"""Pieces of Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtopt_spec.whole_file import write_aside


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all rows as long as its head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_sections(path: Path, sections: Sequence[str]) -> None:
    """Replaces a page as a whole; empty sections are left out."""
    write_aside(path, ("\n\n".join(section for section in sections if section) + "\n").encode())
