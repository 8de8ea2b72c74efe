"""Charts that scale with the page: bars, intervals and rows of marks, with x positions in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.collect import Model
from shapebias.report.format import percent, percent_interval, short
from shapebias.report.svg import colour, mark, share, tag
from shapebias.report.values import Interval
from shapebias.results.results import Result

LANES = 5  # lanes of a row at full spacing; more lanes are drawn closer together
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high`` (which may be the smaller) and the ticks with their texts."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str = ""

    def fraction(self, value: float) -> float:
        """Return the position of ``value`` between the ends, 0 to 1; the middle of an axis without extent."""
        if self.low == self.high:
            return 0.5
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def share(self, value: float) -> str:
        """Return the same as a percentage of the width."""
        return share(self.fraction(value))


Rows = Sequence[tuple[Model, Result]]
PERCENT = Axis(0.0, 1.0, tuple((q, percent(q, 0)) for q in _QUARTERS))


@dataclass(frozen=True)
class Dot:
    """A mark in the row and lane of those numbers."""

    row: int
    lane: int
    value: float
    title: str
    index: int | None  # of the model, None for a person
    interval: Interval | None = None


@dataclass(frozen=True)
class Total:
    """A vertical line through all rows, and its mark below them."""

    value: float
    title: str
    index: int | None  # of the model, None for a person


def ratio_line(name: str, value: float, interval: Interval | None, index: int | None) -> Markup:
    """The shape bias of one model or person as a mark on a line from 0 to 100 %, with its interval."""
    y = 9
    parts = [tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row")]
    parts += [tag("line", x1=share(q), x2=share(q), y1=y - 4, y2=y + 4, class_="row") for q in (0.0, 0.5, 1.0)]
    parts += [*_interval(PERCENT, interval, y, cap=5), mark(index, x=share(value), y=y)]
    label = f"{name}: shape bias {percent(value)}; interval {percent_interval(interval)}"
    return _stretched("ratio", 18, label, parts)


def share_bar(name: str, shares: Sequence[tuple[str, float]]) -> Markup:
    """One bar divided into shape, texture and the rest, each part labelled with its share."""
    parts = _segments(shares, y=0, height=30)
    left = 0.0
    for kind, value in shares:
        if value >= 0.08:
            middle = share(left + value / 2)
            parts.append(tag("text", percent(value, 0), x=middle, y=20, class_=f"on on-{kind}"))
        left += value
    return _stretched("bar", 30, f"{name}: " + ", ".join(f"{kind} {percent(value)}" for kind, value in shares), parts)


def interval_chart(title: str, rows: Rows, guess: float | None = None) -> Markup:
    """Fractions from 0 to 100 %, one row per model, with intervals and the level of blind guessing."""
    step = 44
    bottom = step * len(rows) + 4
    parts = _columns(PERCENT, 0, bottom, text=bottom + 16, ends=True)
    if guess is not None:
        line = tag("title", f"blind guessing: {percent(guess)}")
        parts.append(tag("line", line, x1=share(guess), x2=share(guess), y1=0, y2=bottom, class_="guess"))
    for row, (model, result) in enumerate(rows):
        y = step * row + 30
        parts.append(tag("text", short(model.name, 34), x=0, y=y - 14, class_="name"))
        parts.append(tag("text", percent(result.value), x="100%", y=y - 14, class_="value"))
        parts.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row"))
        parts += _interval(PERCENT, result.ci95, y, cap=5)
        if result.value is not None:
            parts.append(mark(model.index, x=share(result.value), y=y, title=_title(model, result)))
    return _stretched("intervals", bottom + 24, _label(title, rows), parts)


def bar_chart(title: str, rows: Rows) -> Markup:
    """Upright bars from 0 to 100 %, each with its number, its interval, and its model's mark below."""
    top_end, bottom, labelled = 26, 184, 10  # with more bars their numbers would overlap

    def height(value: float) -> float:
        return bottom - (bottom - top_end) * PERCENT.fraction(value)

    parts = [tag("line", x1=0, x2="100%", y1=height(q), y2=height(q), class_="grid") for q in (0.0, 0.5, 1.0)]
    parts += [tag("text", percent(q, 0), x=-7, y=height(q) + 4, class_="tick last") for q in (0.0, 0.5, 1.0)]
    width = min(0.64 / len(rows), 0.2)
    for place, (model, result) in enumerate(rows):
        middle, top = (place + 0.5) / len(rows), height(result.value or 0.0)
        box = {"x": share(middle - width / 2), "width": share(width), "y": top, "height": bottom - top}
        parts.append(tag("rect", tag("title", _title(model, result)), **box, class_=f"upright {colour(model.index)}"))
        if result.ci95 is not None:
            low, high = map(height, result.ci95)
            ends = {"x1": share(middle), "x2": share(middle), "y1": low, "y2": high}
            parts += [tag("line", **ends, class_=kind) for kind in ("halo", "whisker strong")]
            top = min(top, high)
        if len(rows) <= labelled:
            shown = percent(result.value, 0)
            shown = shown if len(rows) <= 4 else shown.removesuffix("\u202f%")
            parts.append(tag("text", shown, x=share(middle), y=top - 6, class_="over"))
        parts.append(mark(model.index, x=share(middle), y=bottom + 14, size=4.5))
    return _stretched("upright-bars", 212, _label(title, rows), parts)


def row_chart(
    rows: Sequence[str],
    dots: Sequence[Dot],
    axis: Axis,
    *,
    label: str,
    lanes: int,
    step: float,
    spacing: float,
    size: float = 5.5,
    totals: Sequence[Total] | None = None,
    halves: tuple[str, str] | None = None,
) -> Markup:
    """Named rows with marks along one axis, in lanes one below the other; lines to the ends of their intervals.

    Args:
        rows: the rows' names.
        dots: the marks.
        axis: along the rows; the middle of one through 0 is a strong line.
        label: the chart in words.
        lanes: lanes in every row.
        step: pixels of a row.
        spacing: pixels between lanes.
        size: of the marks.
        totals: lines through all rows, with a mark below.
        halves: classes of the left and the right half's background.
    """
    top = 8
    bottom = top + step * len(rows)
    parts = []
    for kind, x in zip(halves or (), (0, "50%"), strict=False):
        parts.append(tag("rect", x=x, y=top, width="50%", height=bottom - top, class_=kind))
    parts += _columns(axis, top, bottom, text=bottom + 18)
    for total in totals or ():
        x = axis.share(total.value)
        line = tag("title", total.title)
        parts.append(tag("line", line, x1=x, x2=x, y1=top, y2=bottom, class_=f"mean {colour(total.index)}"))
        parts.append(mark(total.index, x=x, y=bottom + 32, size=4.5))
    for row, name in enumerate(rows):
        middle = top + step * (row + 0.5)
        parts.append(tag("line", x1=0, x2="100%", y1=middle, y2=middle, class_="row"))
        parts.append(tag("text", short(name, 18), x=-16, y=middle + 4, class_="label"))
        for dot in (dot for dot in dots if dot.row == row):
            y = middle + spacing * (dot.lane - (lanes - 1) / 2)
            if dot.interval is not None:
                low, high = map(axis.share, dot.interval)
                parts.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_=f"reach {colour(dot.index)}"))
            parts.append(mark(dot.index, x=axis.share(dot.value), y=y, size=size, title=dot.title))
    return _stretched("rows", bottom + (26 if totals is None else 44), label, parts)


def _title(model: Model, result: Result) -> str:
    return f"{model.name}: {percent(result.value)} ({percent_interval(result.ci95)})"


def _label(title: str, rows: Rows) -> str:
    return f"{title}: " + ", ".join(f"{model.name} {percent(result.value)}" for model, result in rows)


def _stretched(kind: str, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    return tag("svg", *parts, class_=kind, width="100%", height=height, role="img", aria_label=label)


def _segments(shares: Sequence[tuple[str, float]], *, y: float, height: float) -> list[Markup]:
    """Return the parts of a divided bar, one after the other."""
    parts, left = [], 0.0
    for kind, value in shares:
        parts.append(tag("rect", x=share(left), y=y, width=share(value), height=height, class_=f"fill-{kind}"))
        left += value
    return parts


def _columns(axis: Axis, top: float, bottom: float, *, text: float, ends: bool = False) -> list[Markup]:
    """Return the vertical lines of an axis and its texts; the outer texts stay inside where ``ends``."""
    kinds = {axis.low: "tick first", axis.high: "tick last"} if ends else {}
    parts = []
    for value, _ in axis.ticks:
        kind = "half-line" if value == 0 and axis.low < 0 else "grid"
        x = axis.share(value)
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=bottom, class_=kind))
    for value, shown in axis.ticks:
        parts.append(tag("text", shown, x=axis.share(value), y=text, class_=kinds.get(value, "tick")))
    return parts


def _interval(axis: Axis, interval: Interval | None, y: float, *, cap: float, kind: str = "whisker") -> list[Markup]:
    if interval is None:
        return []
    low, high = map(axis.share, interval)
    return [
        tag("line", x1=low, x2=high, y1=y, y2=y, class_=kind),
        tag("line", x1=low, x2=low, y1=y - cap, y2=y + cap, class_=kind),
        tag("line", x1=high, x2=high, y1=y - cap, y2=y + cap, class_=kind),
    ]
