"""Charts as inline SVG. Colours are CSS classes, so that light and dark themes both fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

LEFT_PX, RIGHT_PX = 42, 10
"""From a chart's edges to its axes."""
MAX_POINTS = 400
"""A longer series is averaged down to this many points: a page stays small after a long run."""


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        name: For the legend.
        x, y: (n,) numbers; the curve is broken where y is not finite.
        style: CSS class of its colour: `style(i)`, `success`, `failure` or `muted`.
        low, high: (n,) ends of a band around it, or None.
        dots: Mark each point.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    style: str = "s0"
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dots: bool = False


def style(index: int) -> str:
    """CSS classes of the index-th of several things: six colours, then the same ones dashed."""
    return f"s{index % 6}" if index % 12 < 6 else f"s{index % 6} dashed"


def number(value: float) -> str:
    """A number for people: three significant digits, thousands with a separator."""
    if not math.isfinite(value):
        return "–"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers within [low, high], about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    step = 10 ** math.floor(math.log10(raw))
    step *= min((m for m in (1, 2, 2.5, 5, 10) if m * step >= raw), default=10)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def thin(values: np.ndarray, points: int = MAX_POINTS) -> np.ndarray:
    """(n,) averaged over equal stretches to at most `points` values; NaN where all are NaN."""
    values = np.asarray(values, np.float64)
    if len(values) <= points:
        return values
    edges = np.linspace(0, len(values), points + 1).astype(int)[:-1]
    finite = np.isfinite(values)
    counts = np.add.reduceat(finite.astype(np.int64), edges)
    sums = np.add.reduceat(np.where(finite, values, 0.0), edges)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _path(xs: np.ndarray, ys: np.ndarray) -> str:
    """SVG path of the finite points; a gap starts a new stroke."""
    parts, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            parts.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_range: tuple[float, float] | None = None,
    width: int = 340,
    height: int = 200,
    percent: bool = False,
    diagonal: bool = False,
    x_range: tuple[float, float] | None = None,
    x_marks: Sequence[tuple[float, str]] = (),
    max_x_ticks: int = 4,
) -> Markup:
    """Curves over a common x axis.

    Args:
        series: What to draw; none with a finite point gives an empty frame.
        title: Above the chart; also its text for screen readers.
        x_label: Below the axis.
        y_range: Ends of the y axis; from the data where it is None.
        width: Of the view box, px at scale 1.
        height: Of the view box.
        percent: y in [0, 1] is written in per cent.
        diagonal: A dashed line from corner to corner (perfect calibration).
        x_range: Ends of the x axis; from the data where it is None.
        x_marks: (x, text) vertical lines.
        max_x_ticks: About how many numbers below the axis.
    """
    left, right, top, bottom = LEFT_PX, RIGHT_PX, 26, 36 if x_label else 22
    finite_y = [s.y[np.isfinite(s.y)] for s in series]
    finite_y += [b[np.isfinite(b)] for s in series for b in (s.low, s.high) if b is not None]
    all_y = np.concatenate(finite_y) if finite_y else np.zeros(0)
    all_x = np.concatenate([s.x for s in series]) if series else np.zeros(0)
    if x_range is None:
        x_range = (float(all_x.min()), float(all_x.max())) if len(all_x) else (0.0, 1.0)
    if y_range is None:
        y_range = (float(all_y.min()), float(all_y.max())) if len(all_y) else (0.0, 1.0)
        pad = 0.06 * (y_range[1] - y_range[0]) or abs(y_range[0]) * 0.1 or 0.5
        floor = 0.0 if y_range[0] >= 0 and y_range[0] < 0.5 * y_range[1] else y_range[0] - pad
        y_range = (floor, y_range[1] + pad)
    x0, x1 = x_range if x_range[1] > x_range[0] else (x_range[0] - 0.5, x_range[0] + 0.5)
    y0, y1 = y_range

    def px(x):
        return left + (np.asarray(x, float) - x0) / (x1 - x0) * (width - left - right)

    def py(y):
        return height - bottom - (np.asarray(y, float) - y0) / (y1 - y0) * (height - top - bottom)

    out = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><text class="title" x="{left}" y="15">{escape(title)}</text>'
    ]
    for y in ticks(y0, y1, 4):
        text = f"{y * 100:.0f} %" if percent else number(y)
        out.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{py(y):.1f}" '
            f'y2="{py(y):.1f}"/><text class="tick end" x="{left - 6}" y="{py(y) + 3.5:.1f}">'
            f"{text}</text>"
        )
    for x in ticks(x0, x1, max_x_ticks):
        out.append(
            f'<text class="tick middle" x="{px(x):.1f}" y="{height - bottom + 14}">'
            f"{number(x)}</text>"
        )
    if x_label:
        out.append(
            f'<text class="tick middle" x="{(left + width - right) / 2}" y="{height - 5}">'
            f"{escape(x_label)}</text>"
        )
    if diagonal:
        out.append(f'<path class="diagonal" d="M{px(x0)} {py(y0)}L{px(x1)} {py(y1)}"/>')
    for x, text in x_marks:
        out.append(
            f'<line class="mark" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{top}" '
            f'y2="{height - bottom}"><title>{escape(text)}</title></line>'
            f'<text class="tick middle" x="{px(x):.1f}" y="{top - 1}">{escape(text)}</text>'
        )
    for s in series:
        if s.low is not None and s.high is not None:
            ok = np.isfinite(s.low) & np.isfinite(s.high)
            xs = np.concatenate([px(s.x[ok]), px(s.x[ok])[::-1]])
            ys = np.concatenate([py(s.low[ok]), py(s.high[ok])[::-1]])
            if ok.sum() > 1:
                out.append(f'<path class="band {s.style}" d="{_path(xs, ys)}Z"/>')
    for s in series:
        xs, ys = px(s.x), py(np.clip(s.y, y0, y1))
        out.append(f'<path class="line {s.style}" d="{_path(xs, ys)}"/>')
        if s.dots or np.isfinite(s.y).sum() == 1:
            for x, y, raw_x, raw_y in zip(xs, ys, s.x, s.y, strict=True):
                if math.isfinite(y):
                    out.append(
                        f'<circle class="dot {s.style}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>'
                        f"{escape(s.name)}: {raw_y:.3f} at {number(raw_x)}</title></circle>"
                    )
    out.append("</svg>")
    return Markup("".join(out))


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """A row of (style, name) keys."""
    keys = "".join(
        f'<span class="key"><i class="swatch {style}"></i>{escape(name)}</span>'
        for style, name in entries
    )
    return Markup(f'<div class="legend">{keys}</div>')


def interval_bars(rates: Sequence[tuple[float, float, float, str]]) -> Markup:
    """Rates in [0, 1] as dots on their intervals, one below the other, for a table's cell.

    Args:
        rates: (rate, low, high, style) of each; a rate that is not finite leaves its line empty.
    """
    height = 8 + 10 * len(rates)
    marks = [
        f'<line class="rail" x1="{x}" x2="{x}" y1="3" y2="{height - 3}"/>' for x in (4, 80, 156)
    ]
    texts = []
    for i, (rate, low, high, style) in enumerate(rates):
        y = 9 + 10 * i
        marks.append(f'<line class="rail" x1="4" x2="156" y1="{y}" y2="{y}"/>')
        if math.isfinite(rate):
            x, a, b = (4 + 152 * v for v in (rate, low, high))
            marks.append(
                f'<line class="whisker {style}" x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>'
                f'<circle class="dot {style}" cx="{x:.1f}" cy="{y}" r="4.2"/>'
            )
            texts.append(f"{rate:.0%}, {low:.0%} to {high:.0%}")
    return Markup(
        f'<svg class="interval" viewBox="0 0 160 {height}" height="{height}" role="img" '
        f'aria-label="{"; ".join(texts) or "no attempt"}">{"".join(marks)}</svg>'
    )


def stacked_bar(parts: Sequence[tuple[str, str, float]], total: float) -> Markup:
    """Counts side by side: (style, name, count), scaled so that `total` fills the width."""
    cells, x = [], 0.0
    for style, name, count in parts:
        share = 200 * count / total if total else 0.0
        cells.append(
            f'<rect class="bar {style}" x="{x:.2f}" y="2" width="{share:.2f}" height="14">'
            f"<title>{escape(name)}: {count:,.0f}</title></rect>"
        )
        x += share
    return Markup(
        '<svg class="stack" viewBox="0 0 200 18" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(cells)}</svg>"
    )
