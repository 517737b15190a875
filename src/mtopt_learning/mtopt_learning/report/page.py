"""Puts the sections together and writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.report.charts import legend
from mtopt_learning.report.contact_sheets import contact_section
from mtopt_learning.report.curves import curves_section
from mtopt_learning.report.detector import detector_section
from mtopt_learning.report.growth import growth_section
from mtopt_learning.report.provenance import (
    checkpoint_text,
    provenance_section,
    runs_in,
)
from mtopt_learning.report.q_values import q_section
from mtopt_learning.report.results import (
    Result,
    evaluation_section,
    integrity_section,
    load_result,
    result_figures,
    result_text,
)
from mtopt_learning.report.section import Section
from mtopt_learning.report.volume import dataset_figures, volume_section
from mtopt_learning.train.run_folder import CHECKPOINT
from mtopt_spec.errors import InputError
from mtopt_spec.whole_file import write_aside


@dataclass(frozen=True)
class ReportInputs:
    """What a report is made of; what is None or empty is named as missing on the page.

    Attributes:
        dataset: Folder of a dataset.
        run: Folder of a training run (metrics.jsonl and checkpoint).
        detector: Folder of a success detector.
        evaluations: Files with what `mtopt eval --json` printed.
        cells: Files with what `mtopt cell --json` or `collect --json` printed.
        strips: Episodes of each outcome and task on the contact sheets; four times as many
            mistakes of the detector.
        stories: Episodes whose Q-values are drawn.
        seed: Of the draw of episodes that are shown.
        argv: Command line, for the provenance; this process's own where None.
    """

    dataset: Path | None = None
    run: Path | None = None
    detector: Path | None = None
    evaluations: Sequence[Path] = ()
    cells: Sequence[Path] = ()
    title: str = "mtopt report"
    strips: int = 3
    stories: int = 4
    seed: int = 0
    argv: Sequence[str] | None = None


def build_report(inputs: ReportInputs, out: Path) -> dict:
    """Writes the page.

    Args:
        inputs: What it is made of.
        out: The HTML file; it is written aside and renamed.

    Returns:
        `{report, bytes, sections, missing}`: its path and size, and the sections by id.

    Raises:
        InputError: An input that was given cannot be read.
    """
    out = Path(out)
    for name, value in (("--strips", inputs.strips), ("--stories", inputs.stories)):
        if value < 0:
            raise InputError(name, where="arguments", got=value, expected="0 or more")
    dataset = Dataset.open(inputs.dataset) if inputs.dataset else None
    results = [load_result(path, "eval") for path in inputs.evaluations]
    results += [load_result(path, "cell") for path in inputs.cells]
    sections = _sections(inputs, dataset, results)
    html = (
        environment()
        .get_template("page.html.j2")
        .render(
            title=inputs.title,
            subtitle=_subtitle(inputs),
            css=page_css(),
            tiles=_tiles(dataset, results),
            sections=sections,
            legend=legend,
        )
    )
    write_page(out, html)
    return {
        "report": str(out),
        "bytes": out.stat().st_size,
        "sections": [section.id for section in sections if not section.missing],
        "missing": [section.id for section in sections if section.missing],
    }


def _sections(
    inputs: ReportInputs, dataset: Dataset | None, results: Sequence[Result]
) -> list[Section]:
    """All sections in the page's order."""
    tasks = list(dataset.tasks) if dataset else []
    return [
        volume_section(dataset),
        growth_section(dataset),
        evaluation_section(results, tasks),
        curves_section(inputs.run),
        contact_section(dataset, inputs.strips, inputs.seed),
        q_section(dataset, inputs.run, inputs.stories, inputs.seed),
        detector_section(inputs.detector, dataset, 4 * inputs.strips),
        integrity_section(results, dataset),
        provenance_section(_named_inputs(inputs, dataset, results), inputs.argv),
    ]


def _named_inputs(
    inputs: ReportInputs, dataset: Dataset | None, results: Sequence[Result]
) -> list[tuple[str, str]]:
    """Paths, fingerprints and seeds of what went in."""
    rows = []
    if dataset is not None:
        rows += [("Dataset", f"{inputs.dataset}, fingerprint {dataset.fingerprint}")]
        rows += [("Runs in the dataset", runs_in(dataset))]
    if inputs.run:
        rows.append(("Training run", f"{inputs.run}, {checkpoint_text(inputs.run / CHECKPOINT)}"))
    if inputs.detector:
        rows.append(("Success detector", f"{inputs.detector}, {checkpoint_text(inputs.detector)}"))
    rows += [
        (f"Result {result.file}", result_text(result, path))
        for result, path in zip(results, [*inputs.evaluations, *inputs.cells], strict=True)
    ]
    rows.append(("Episodes shown", f"drawn with seed {inputs.seed}"))
    return rows


def _subtitle(inputs: ReportInputs) -> str:
    """What the page covers, in one sentence."""
    parts = [
        text
        for given, text in (
            (inputs.dataset, f"dataset “{_name(inputs.dataset)}”"),
            (inputs.run, f"training run “{_name(inputs.run)}”"),
            (inputs.detector, f"success detector “{_name(inputs.detector)}”"),
            (inputs.evaluations, _count(inputs.evaluations, "evaluation")),
            (inputs.cells, _count(inputs.cells, "cell run")),
        )
        if given
    ]
    return "Covers " + ", ".join(parts) + "." if parts else "Nothing was given to report on."


def _count(things: Sequence, name: str) -> str:
    """A count with its noun."""
    return f"{len(things)} {name}{'s' if len(things) != 1 else ''}"


def _name(path: Path | None) -> str:
    """Last part of a path."""
    return Path(path).resolve().name if path else ""


def _tiles(dataset: Dataset | None, results: Sequence[Result]) -> list[tuple[str, str, str]]:
    """Headline figures: (value, what it is, small print)."""
    return [*(dataset_figures(dataset) if dataset else ()), *result_figures(results, dataset)]


def environment() -> jinja2.Environment:
    """Templates beside this file; every value is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_css() -> Markup:
    """The style of all pages."""
    return Markup(Path(__file__).with_name("page.css").read_text())


def write_page(out: Path, html: str) -> None:
    """Writes aside, then renames; bytes of a file's name that are no text are escaped.

    Raises:
        InputError: The folder is missing or cannot be written.
    """
    try:
        write_aside(out, html.encode(errors="backslashreplace"))
    except OSError as error:
        raise InputError(
            "report file", where=out, got=str(error), expected="a file in a writable folder"
        ) from error
