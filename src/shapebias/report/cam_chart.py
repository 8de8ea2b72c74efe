"""Pseudo-labels from class activation maps: mean IoU over the threshold, a line per network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.charts import interval_chart
from shapebias.report.collect import Network
from shapebias.report.format import percent, percent_interval, plain
from shapebias.report.notes import joined
from shapebias.report.records import Entry, listing, number, text
from shapebias.report.svg import mark, tag
from shapebias.report.transfer import transfer_note

THRESHOLD = 0.15  # the protocol's (Ahn et al. 2019)
WIDTH, HEIGHT = 420, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 16, 44
_MOST = 2000  # points of a line
_SCALES = {"multi": "four scales, mirrored", "single": "the image as it is"}


@dataclass(frozen=True)
class CamCharts:
    """Networks measured at the same scales: their figures at each threshold that was given, and the curve over all."""

    title: str
    figures: tuple[tuple[str, str, Markup], ...]  # title, note, chart
    curve: Markup | None
    networks: tuple[Network, ...]  # of the curve


@dataclass(frozen=True)
class CamCurve:
    """One network's mIoU (y) over the threshold (x), both in [0, 1], and the best of them."""

    network: Network
    points: tuple[tuple[float, float], ...]
    best: Entry


def cam_charts(networks: Sequence[Network]) -> list[CamCharts]:
    """The charts of each choice of scales, the protocol's four first."""
    entries = [(n, e) for n in networks for e in n.entries if e.evaluator == "cam" and e.value is not None]
    kinds = dict.fromkeys(text(e.condition.get("scales")) or "" for _, e in entries)
    found = []
    for kind in sorted(kinds, key=lambda kind: (kind != "multi", kind)):
        mine = [(n, e) for n, e in entries if (text(e.condition.get("scales")) or "") == kind]
        at: dict[float, list[tuple[Network, Entry]]] = {}
        for network, entry in mine:
            threshold = number(entry.condition.get("threshold"))
            if entry.metric == "miou" and threshold is not None:
                at.setdefault(threshold, []).append((network, entry))
        curves = [c for n, e in mine if e.metric == "miou_best" and (c := _curve(n, e)) is not None]
        if at or curves:
            figures = tuple(_figure(threshold, at[threshold]) for threshold in sorted(at))
            curve = cam_curves(curves) if curves else None
            found.append(CamCharts(scales_words(kind), figures, curve, tuple(c.network for c in curves)))
    return found


def scales_words(kind: str) -> str:
    """The scales that the maps are of."""
    return _SCALES.get(kind, f"scales {kind}" if kind else "")


def cam_curves(curves: Sequence[CamCurve]) -> Markup:
    """One panel: thresholds from 0 to 1, mIoU from 0 to a round number above the highest; marks where it is best."""
    highest = max(y for curve in curves for _, y in curve.points)
    top = next((t for t in (0.2, 0.4, 0.6, 0.8) if t >= highest), 1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        right = _LEFT + (WIDTH - _LEFT - _RIGHT) * x
        return right, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(max(y / top, 0.0), 1.0)

    parts: list[Markup] = []
    for quarter in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(0, top * quarter)
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", percent(top * quarter, 0), x=_LEFT - 7, y=y + 4, class_="label"))
        x, y = place(quarter, 0)
        parts.append(tag("text", plain(quarter), x=x, y=y + 17, class_="tick"))
    parts.append(tag("text", "threshold", x=WIDTH - _RIGHT, y=HEIGHT - 6, class_="axis"))
    x, _ = place(THRESHOLD, 0)
    title = tag("title", f"the protocol's threshold, {plain(THRESHOLD)}")
    parts.append(tag("line", title, x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="guess"))
    parts.append(tag("text", f"{plain(THRESHOLD)}, the protocol's", x=x + 5, y=_TOP - 4))
    for curve in curves:
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in curve.points))
        parts.append(tag("polyline", points=corners, class_=f"line net-{curve.network.index % 8}"))
    for curve in curves:
        x, y = place(*max(curve.points, key=lambda point: point[1]))
        parts.append(mark(curve.network.index, x=x, y=y, size=4.5, title=f"{curve.network.name}: {_said(curve)}"))
    label = "Mean IoU of pseudo-labels over the threshold: " + "; ".join(f"{c.network.name} {_said(c)}" for c in curves)
    return tag("svg", *parts, class_="curve", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _figure(threshold: float, rows: Sequence[tuple[Network, Entry]]) -> tuple[str, str, Markup]:
    title = f"Mean IoU at the threshold {plain(threshold)}" + (", the protocol's" if threshold == THRESHOLD else "")
    label = f"{title}: " + ", ".join(f"{n.name} {percent(e.value)}" for n, e in rows)
    return title, joined([(n, transfer_note(e)) for n, e in rows]), interval_chart(rows, guess=None, label=label)


def _curve(network: Network, best: Entry) -> CamCurve | None:
    """The line in the record, malformed points left out; None without two of them."""
    pairs = [listing(item) for item in listing(best.details.get("curve"))[:_MOST]]
    points = [(number(pair[0]), number(pair[1])) for pair in pairs if len(pair) == 2]
    kept = {x: y for x, y in points if x is not None and y is not None and 0 <= x <= 1 and 0 <= y <= 1}
    return CamCurve(network, tuple(sorted(kept.items())), best) if len(kept) > 1 else None


def _said(curve: CamCurve) -> str:
    x, y = max(curve.points, key=lambda point: point[1])
    return f"best at {plain(x)} with {percent(y)} ({percent_interval(curve.best.ci95)})"
