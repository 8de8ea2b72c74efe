"""Training curves as small multiples over the number of images seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.collect import Network
from shapebias.report.format import percent, plain
from shapebias.report.records import Run
from shapebias.report.svg import mark, tag

WIDTH, HEIGHT = 340, 220
_ABSURD = 1e12  # a diverged loss this large would flatten everything else
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 12, 40


@dataclass(frozen=True)
class Panel:
    """One quantity of the training log; ``bounds`` are its natural ends, where it has any."""

    column: str
    title: str
    note: str
    percent: bool = False
    bounds: tuple[float, float] | None = None


PANELS = (
    Panel("loss", "Total loss", "What training makes small: all parts, weighted."),
    Panel("natural", "Loss on unchanged pictures", "How wrong the answers are on pictures as they come."),
    Panel("stylized", "Loss on restyled pictures", "The same, with the texture replaced."),
    Panel("mmsi", "Mutual shape term", "Lower: the two restyled versions share more. Only trained on in mmsi schemes."),
    Panel(
        "spread",
        "Spread of the responses",
        "How much inner responses differ between pictures, relative to their size; near 0 is a collapse.",
    ),
    Panel(
        "rho",
        "Agreement of the two views",
        "Mean absolute correlation (rho) between the two restyled versions; 1 is identical.",
        bounds=(0, 1),
    ),
    Panel("train_top1", "Training accuracy, unchanged", "Right answers on training pictures.", True, (0, 1)),
    Panel(
        "train_stylized_top1", "Training accuracy, restyled", "The same on restyled training pictures.", True, (0, 1)
    ),
    Panel("val_top1", "Validation accuracy", "Right answers on pictures not trained on.", True, (0, 1)),
)


@dataclass(frozen=True)
class Curve:
    """One network's line: the points in order, and where a new phase of training begins."""

    network: Network
    points: tuple[tuple[float, float], ...]
    phases: tuple[tuple[float, str], ...]


def curves_of(column: str, networks: Sequence[Network]) -> list[Curve]:
    """The lines of one column, networks without any value left out."""
    found = []
    for network in networks:
        if network.run is not None and (points := _points(network.run, column)):
            found.append(Curve(network, points, _phases(network.run)))
    return found


def curve_chart(panel: Panel, curves: Sequence[Curve], end: float) -> Markup:
    """One panel; ``end`` is the right end of the axis of images, the same in all panels."""
    values = [y for curve in curves for _, y in curve.points]
    ticks = _ticks(*(panel.bounds or (min(values), max(values))))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        right = _LEFT + (WIDTH - _LEFT - _RIGHT) * (x / end if end else 0.5)
        return right, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (y - low) / (high - low)

    parts: list[Markup] = []
    for tick in ticks:
        _, y = place(0, tick)
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        shown = percent(tick, 0) if panel.percent else plain(tick)
        parts.append(tag("text", shown, x=_LEFT - 7, y=y + 4, class_="label"))
    for tick in (t for t in _ticks(0, end) if 0 <= t <= end):
        x, y = place(tick, low)
        parts.append(tag("text", _short(tick), x=x, y=y + 17, class_="tick"))
    parts.append(tag("text", "images seen", x=WIDTH - _RIGHT, y=HEIGHT - 6, class_="axis"))
    for curve in curves:
        colour = f"net-{curve.network.index % 8}"
        for x, phase in curve.phases:
            across, _ = place(x, low)
            title = tag("title", f"{curve.network.name}: phase {phase} begins")
            parts.append(
                tag("line", title, x1=across, x2=across, y1=_TOP, y2=HEIGHT - _BOTTOM, class_=f"phase {colour}")
            )
        placed = [place(x, y) for x, y in curve.points]
        if len(placed) > 1:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            parts.append(tag("polyline", points=line, class_=f"line {colour}"))
        x, y = placed[-1]
        parts.append(
            mark(curve.network.index, x=x, y=y, size=4.5, title=f"{curve.network.name}: {curve.points[-1][1]:.4g}")
        )
    names = ", ".join(f"{c.network.name} ends at {c.points[-1][1]:.3g}" for c in curves)
    label = f"{panel.title} over images seen: {names}"
    return tag("svg", *parts, class_="curve", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _points(run: Run, column: str) -> tuple[tuple[float, float], ...]:
    pairs = ((row.get("images"), row.get(column)) for row in run.epochs)
    return tuple(
        (x, y) for x, y in pairs if isinstance(x, float) and isinstance(y, float) and x >= 0 and abs(y) < _ABSURD
    )


def _phases(run: Run) -> tuple[tuple[float, str], ...]:
    starts = []
    for before, after in zip(run.epochs, run.epochs[1:], strict=False):
        images = before.get("images")
        if before.get("phase") != after.get("phase") and isinstance(images, float):
            starts.append((images, str(after.get("phase"))))
    return tuple(starts)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that cover the range."""
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-9):
        margin = abs(high) * 0.1 or 0.5
        low, high = low - margin, high + margin
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(step * i, 12) for i in range(first, last + 1)]


def _short(images: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if images >= size:
            return f"{images / size:.4g}{unit}"
    return f"{images:.4g}"
