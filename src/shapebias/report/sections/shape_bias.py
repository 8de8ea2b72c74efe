"""Decisions by shape, texture and neither cue of every model, its shape bias, and the differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import ratio_line, share_bar
from shapebias.report.collect import Collection
from shapebias.report.format import percent, points, points_interval
from shapebias.report.respondents import Respondent, respondents
from shapebias.report.sections import Section
from shapebias.report.sections.accuracy import TITLES
from shapebias.results.comparison import Difference


@dataclass(frozen=True)
class Row:
    """One model or person, the bar of all decisions, and the line of the shape bias."""

    of: Respondent
    bar: Markup
    line: Markup


@dataclass(frozen=True)
class Compared:
    """One model's shape bias, and its difference to the reference on the same pictures (None: not compared)."""

    of: Respondent
    difference: str | None
    interval: str
    verdict: str


def build(collection: Collection) -> dict[str, Any] | None:
    """Return a row per model and person, the summary, and the numbers with differences to the highest model."""
    found = respondents(collection)
    if not found:
        return None
    rows = [_row(one) for one in sorted(found, key=lambda one: (one.overall is None, one.overall or 0.0))]
    ranked = [row.of for row in rows if row.of.overall is not None]
    models = [one for one in ranked if one.index is not None]
    models = [one for one in models if one.model is not None] or models or ranked
    named = {one.name for one in ranked}
    accuracies = any(r.evaluator in TITLES and r.metric == "top1" for m in collection.models for r in m.results)
    reference = models[-1].name if models else ""
    compared = [_compare(one, reference, collection.differences) for one in ranked if one.model is not None]
    return {
        "rows": rows,
        "without": [model for model in collection.models if model.name not in named],
        "summary": _summary(models, collection.differences) if models else None,
        "accuracies": accuracies,
        "compared": compared if any(row.difference for row in compared) else [],
        "reference": reference,
    }


def _row(one: Respondent) -> Row:
    ratio = () if one.overall is None else (("shape", one.overall), ("texture", 1 - one.overall))
    line = Markup() if one.overall is None else ratio_line(one.name, one.overall, one.ci95, one.index)
    return Row(one, share_bar(one.name, shares) if (shares := one.cues or ratio) else Markup(), line)


def _summary(ranked: Sequence[Respondent], differences: Sequence[Difference]) -> str:
    """Describe the lowest and the highest shape bias in sentences that claim no more than the intervals allow."""
    low, high = ranked[0], ranked[-1]
    if low is high:
        return _decisions(low)
    text = f"{_decisions(high)} {_decisions(low)}"
    found = [d for d in differences if d.metric == "shape_bias" and d.between(low.name, high.name)]
    for item in found:
        value, ends = item.of(high.name)
        if ends is not None:
            inside = "is clear of zero" if item.clear else "could be chance"
            return (
                f"{text} The difference in shape bias on the same pictures {inside}: {points(value)} "
                f"(95 % interval {points_interval(ends)})."
            )
    if low.ci95 is None or high.ci95 is None:
        return f"{text} Without intervals it is unknown whether that is more than chance."
    if low.ci95[1] >= high.ci95[0]:
        return f"{text} Their 95 % intervals overlap, so the difference is uncertain."
    return f"{text} Their 95 % intervals do not overlap."


def _decisions(one: Respondent) -> str:
    cues, bias = {cue: percent(share, 0) for cue, share in one.cues}, percent(one.overall, 0)
    if not cues:
        return f"“{one.name}” went by the shape in {bias} of the decisions in which it followed either cue."
    return (
        f"“{one.name}” decided {cues['shape']} of all pictures by shape, {cues['texture']} by texture and "
        f"{cues['neither']} by neither: a shape bias of {bias}."
    )


def _compare(one: Respondent, reference: str, differences: Sequence[Difference]) -> Compared:
    if one.name == reference:
        return Compared(one, None, "", "reference")
    item = next((d for d in differences if d.metric == "shape_bias" and d.between(one.name, reference)), None)
    if item is None or item.value is None:
        return Compared(one, None, "", "not compared")
    value, ends = item.of(one.name)
    verdict = "no interval" if item.clear is None else "excludes 0" if item.clear else "includes 0: could be chance"
    return Compared(one, points(value), "" if ends is None else points_interval(ends), verdict)


SHAPE_BIAS = Section("Shape bias", "shape_bias.html", build, expected=True)
