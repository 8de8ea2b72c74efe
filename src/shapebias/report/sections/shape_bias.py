"""The shape bias of every model, and its differences on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import decision_bar
from shapebias.report.collect import Collection, Model
from shapebias.report.format import MISSING, percent, points, points_interval
from shapebias.report.sections import Section
from shapebias.report.values import count
from shapebias.results.comparison import Difference
from shapebias.results.results import Result


@dataclass(frozen=True)
class Row:
    """One model's shape bias; ``conflicts`` is the number of pictures with conflicting cues."""

    model: Model
    result: Result
    bar: Markup | None
    conflicts: int | None


@dataclass(frozen=True)
class Compared:
    """One model's shape bias, and its difference to the first on the same pictures."""

    model: Model
    result: Result
    difference: str
    interval: str
    verdict: str


def build(collection: Collection) -> dict[str, Any] | None:
    """Return a row per model with a shape bias, the summary, and the comparison with the first."""
    rows, without = [], []
    for model in collection.models:
        result = model.result("shape-bias", "shape_bias")
        if result is not None:
            bar = None if result.value is None else decision_bar(result.value, result.ci95, model.name)
            rows.append(Row(model, result, bar, count(result.details.get("conflict_images"))))
        if model.shape_bias is None:
            without.append(model)
    if not rows:
        return None
    ranked = [row for row in rows if row.result.value is not None]
    return {
        "rows": rows,
        "without": without,
        "summary": _summary(ranked, collection.differences) if ranked else None,
        "compared": _compare(ranked[::-1], collection.differences),
    }


def _summary(ranked: Sequence[Row], differences: Sequence[Difference]) -> str:
    """Describe the lowest and the highest shape bias in sentences that claim no more than the intervals allow."""
    low, high = ranked[0], ranked[-1]
    least, most = percent(low.result.value, 0), percent(high.result.value, 0)
    if low is high:
        return f"“{low.model.name}” went by the shape in {least} of the decisions in which it followed either cue."
    text = f"“{high.model.name}” went by the shape in {most} of its decisions, “{low.model.name}” in {least}."
    found = [d for d in differences if d.metric == "shape_bias" and d.between(low.model.name, high.model.name)]
    for item in found:
        value, ends = item.of(high.model.name)
        if ends is not None:
            inside = "is clear of zero" if item.clear else "could be chance"
            return (
                f"{text} The difference on the same pictures {inside}: {points(value)} "
                f"(95 % interval {points_interval(ends)})."
            )
    if low.result.ci95 is None or high.result.ci95 is None:
        return f"{text} Without intervals it is unknown whether that is more than chance."
    if low.result.ci95[1] >= high.result.ci95[0]:
        return f"{text} Their 95 % intervals overlap, so the difference is uncertain."
    return f"{text} Their 95 % intervals do not overlap."


def _compare(ranked: Sequence[Row], differences: Sequence[Difference]) -> list[Compared]:
    """Compare every model with the first; empty unless there is a paired difference to it."""
    found: list[Compared] = []
    for row in ranked:
        first, name = ranked[0].model.name, row.model.name
        item = next((d for d in differences if d.metric == "shape_bias" and d.between(name, first)), None)
        value, ends = item.of(name) if item else (None, None)
        verdict = _words(item, first) if name != first else "the others are compared with it"
        found.append(Compared(row.model, row.result, points(value), points_interval(ends), verdict))
    return found if any(row.difference != MISSING for row in found) else []


def _words(item: Difference | None, first: str) -> str:
    if item is None or item.value is None:
        return "not compared on the same pictures"
    if item.clear is None:
        return "no interval, so this could be chance"
    if item.clear:
        return f"less by shape than {first}: the interval excludes 0"
    return "could be chance: the interval includes 0"


SHAPE_BIAS = Section(
    "Shape bias",
    "shape_bias.html",
    build,
    absent="No shape bias was measured.",
)
