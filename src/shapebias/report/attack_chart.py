"""One attack: accuracy against the largest change of a pixel, a line and an interval band per network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.collect import Network
from shapebias.report.format import percent, percent_interval, plain
from shapebias.report.records import Entry
from shapebias.report.svg import mark, tag

WIDTH, HEIGHT = 260, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 12, 44
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_APART = 24  # pixels that two labels of the axis need


@dataclass(frozen=True)
class AttackCurve:
    """One network's accuracies in the order of epsilon, in units of 1/255; the first is the clean one, at 0."""

    network: Network
    points: tuple[tuple[float, Entry], ...]


def attack_chart(title: str, curves: Sequence[AttackCurve]) -> Markup:
    """One panel, epsilon from 0 to the largest of ``curves``, accuracy from 0 to 100 %."""
    epsilons = sorted({x for curve in curves for x, _ in curve.points} | {0.0})
    end = epsilons[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        right = _LEFT + (WIDTH - _LEFT - _RIGHT) * x / end
        return right, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(max(y, 0.0), 1.0)

    parts: list[Markup] = []
    for quarter in _QUARTERS:
        _, y = place(0, quarter)
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", percent(quarter, 0), x=_LEFT - 8, y=y + 4, class_="label"))
    last = -_APART
    for epsilon in epsilons:
        x, y = place(epsilon, 0)
        if x - last >= _APART:
            parts.append(tag("text", plain(epsilon), x=x, y=y + 18, class_="tick"))
            last = x
    parts.append(tag("text", "epsilon, in 1/255", x=WIDTH - _RIGHT, y=HEIGHT - 6, class_="axis"))
    for curve in curves:
        parts += [
            tag("polygon", points=_joined([place(*corner) for corner in band]), class_=f"band {_colour(curve)}")
            for band in _bands(curve)
        ]
    for curve in curves:
        placed = [place(x, entry.value or 0.0) for x, entry in curve.points]
        parts.append(tag("polyline", points=_joined(placed), class_=f"line {_colour(curve)}"))
        for (epsilon, entry), (x, y) in zip(curve.points, placed, strict=True):
            where = f"at {plain(epsilon)}/255" if epsilon else "without attack"
            said = f"{curve.network.name}, {title} {where}: {percent(entry.value)} ({percent_interval(entry.ci95)})"
            parts.append(mark(curve.network.index, x=x, y=y, size=4, title=said))
    said = "; ".join(f"{c.network.name} {_ends(c)}" for c in curves)
    label = f"Accuracy under {title} over epsilon: {said}; the numbers follow as a table"
    return tag("svg", *parts, class_="curve", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _colour(curve: AttackCurve) -> str:
    return f"net-{curve.network.index % 8}"


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _bands(curve: AttackCurve) -> list[list[tuple[float, float]]]:
    """The outlines of the intervals of neighbouring points, in epsilon and accuracy."""
    runs: list[list[tuple[float, tuple[float, float]]]] = [[]]
    for x, entry in curve.points:
        if entry.ci95 is None:
            runs.append([])
        else:
            runs[-1].append((x, entry.ci95))
    return [[*((x, high) for x, (_, high) in r), *((x, low) for x, (low, _) in reversed(r))] for r in runs if r]


def _ends(curve: AttackCurve) -> str:
    (_, first), (_, last) = curve.points[0], curve.points[-1]
    return f"from {percent(first.value)} to {percent(last.value)}"
