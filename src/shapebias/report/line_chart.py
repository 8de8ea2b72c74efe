"""Charts of lines over an axis, with marks, interval bands and vertical lines; they keep their proportions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.charts import Axis
from shapebias.report.collect import Model
from shapebias.report.svg import colour, corners, mark, tag
from shapebias.report.values import Interval


@dataclass(frozen=True)
class Point:
    """A point of a line; one with a title gets a mark, neighbours with intervals a band."""

    x: float
    y: float
    interval: Interval | None = None
    title: str | None = None


@dataclass(frozen=True)
class Line:
    """One model's points in the order of x; ``steps`` are vertical lines of its own, with their titles."""

    model: Model
    points: Sequence[Point]
    steps: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Frame:
    """Width and height of a line chart, and the margins of its plot."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    frame: Frame,
    *,
    label: str,
    size: float = 4.5,
    reference: tuple[float, str, str] | None = None,
) -> Markup:
    """Lines of several models with marks and bands; ``reference`` is a vertical line, its text and its title."""
    right, bottom = frame.width - frame.right, frame.height - frame.bottom

    def place(value: tuple[float, float]) -> tuple[float, float]:
        across = frame.left + (right - frame.left) * x.fraction(value[0])
        return across, bottom - (bottom - frame.top) * y.fraction(value[1])

    def upright(value: float, title: str, kind: str) -> Markup:
        across, _ = place((value, y.low))
        return tag("line", tag("title", title), x1=across, x2=across, y1=frame.top, y2=bottom, class_=kind)

    parts: list[Markup] = []
    for value, text in y.ticks:
        _, height = place((x.low, value))
        parts.append(tag("line", x1=frame.left, x2=right, y1=height, y2=height, class_="grid"))
        parts.append(tag("text", text, x=frame.left - 7, y=height + 4, class_="label"))
    for value, text in x.ticks:
        parts.append(tag("text", text, x=place((value, y.low))[0], y=bottom + 17, class_="tick"))
    parts.append(tag("text", x.title, x=right, y=frame.height - 6, class_="axis"))
    if reference is not None:
        value, text, title = reference
        parts.append(upright(value, title, "guess"))
        parts.append(tag("text", text, x=place((value, y.low))[0] + 5, y=frame.top - 4))
    for line in lines:
        for band in _bands(line.points):
            parts.append(tag("polygon", points=corners(map(place, band)), class_=f"band {colour(line.model.index)}"))
    for line in lines:
        parts += [upright(value, title, f"phase {colour(line.model.index)}") for value, title in line.steps]
        if len(line.points) > 1:
            outline = corners(place((point.x, point.y)) for point in line.points)
            parts.append(tag("polyline", points=outline, class_=f"line {colour(line.model.index)}"))
    for line in lines:
        for point in line.points:
            if point.title is not None:
                across, height = place((point.x, point.y))
                parts.append(mark(line.model.index, x=across, y=height, size=size, title=point.title))
    box = f"0 0 {frame.width} {frame.height}"
    return tag("svg", *parts, class_="curve", viewBox=box, role="img", aria_label=label)


def _bands(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """Return the outlines of the intervals of neighbouring points."""
    runs: list[list[tuple[float, Interval]]] = [[]]
    for point in points:
        if point.interval is None:
            runs.append([])
        else:
            runs[-1].append((point.x, point.interval))
    found = [run for run in runs if len(run) > 1]
    return [[*((x, high) for x, (_, high) in run), *((x, low) for x, (low, _) in reversed(run))] for run in found]
