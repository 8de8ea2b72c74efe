"""Pseudo-labels from class activation maps: mean IoU at the thresholds that were given, and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.charts import Axis, interval_chart
from shapebias.report.collect import Model
from shapebias.report.format import evidence, joined, percent, percent_interval, plain
from shapebias.report.line_chart import Frame, Line, Point, line_chart
from shapebias.report.values import listing, number, text
from shapebias.results.results import Result

THRESHOLD = 0.15  # the protocol's (Ahn et al. 2019)
_FRAME = Frame(420, 230, left=46, right=12, top=16, bottom=44)
_MOST = 2000  # points of a line
_SCALES = {"multi": "four scales, mirrored", "single": "the image as it is"}
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class CamCharts:
    """Models measured at the same scales: a chart (title, note, chart) per threshold, and the curve over all."""

    title: str
    charts: tuple[tuple[str, str, Markup], ...]
    curve: Markup | None
    models: tuple[Model, ...]  # of the curve


def cam_charts(models: Sequence[Model]) -> list[CamCharts]:
    """The charts of each choice of scales, the protocol's four first."""
    by_scales: dict[str, list[tuple[Model, Result]]] = {}
    for model in models:
        for result in model.results:
            if result.evaluator == "cam" and result.value is not None:
                by_scales.setdefault(text(result.condition.get("scales")) or "", []).append((model, result))
    found = []
    for scales in sorted(by_scales, key=lambda scales: (scales != "multi", scales)):
        at: dict[float, list[tuple[Model, Result]]] = {}
        for model, result in by_scales[scales]:
            threshold = number(result.condition.get("threshold"))
            if result.metric == "miou" and threshold is not None:
                at.setdefault(threshold, []).append((model, result))
        best = [(model, result) for model, result in by_scales[scales] if result.metric == "miou_best"]
        lines = [line for model, result in best if (line := _line(model, result)) is not None]
        if at or lines:
            charts = tuple(_at_threshold(threshold, at[threshold]) for threshold in sorted(at))
            curve = _curve(lines) if lines else None
            found.append(CamCharts(scales_title(scales), charts, curve, tuple(line.model for line in lines)))
    return found


def scales_title(scales: str) -> str:
    """The scales that the maps are of, in words."""
    return _SCALES.get(scales, f"scales {scales}" if scales else "")


def _at_threshold(threshold: float, rows: Sequence[tuple[Model, Result]]) -> tuple[str, str, Markup]:
    title = f"Mean IoU at the threshold {plain(threshold)}" + (", the protocol's" if threshold == THRESHOLD else "")
    return title, joined([(model.name, evidence(result)) for model, result in rows]), interval_chart(title, rows)


def _line(model: Model, best: Result) -> Line | None:
    """The curve of the record, a mark at its best, malformed points skipped; None without two of them."""
    pairs = [listing(item) for item in listing(best.details.get("curve"))[:_MOST]]
    numbers = [(number(pair[0]), number(pair[1])) for pair in pairs if len(pair) == 2]
    curve = {x: y for x, y in numbers if x is not None and y is not None and 0 <= x <= 1 and 0 <= y <= 1}
    if len(curve) < 2:
        return None
    place = max(sorted(curve), key=lambda x: curve[x])
    title = f"{model.name} best at {plain(place)} with {percent(curve[place])} ({percent_interval(best.ci95)})"
    return Line(model, [Point(x, y, title=title if x == place else None) for x, y in sorted(curve.items())])


def _curve(lines: Sequence[Line]) -> Markup:
    """Thresholds from 0 to 1, mean IoU from 0 to a round number above the highest."""
    highest = max(point.y for line in lines for point in line.points)
    top = next((t for t in (0.2, 0.4, 0.6, 0.8) if t >= highest), 1.0)
    y = Axis(0.0, top, tuple((top * quarter, percent(top * quarter, 0)) for quarter in _QUARTERS))
    x = Axis(0.0, 1.0, tuple((quarter, plain(quarter)) for quarter in _QUARTERS), "threshold")
    reference = THRESHOLD, f"{plain(THRESHOLD)}, the protocol's", f"the protocol's threshold, {plain(THRESHOLD)}"
    best = [point.title for line in lines for point in line.points if point.title]
    label = "Mean IoU of pseudo-labels over the threshold: " + "; ".join(best)
    return line_chart(lines, x, y, _FRAME, label=label, reference=reference)
