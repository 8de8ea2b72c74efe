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
from shapebias.results.comparison import Difference, clear_together


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
    """Return a row per model and person, the summary, and the numbers with differences to the reference."""
    found = respondents(collection)
    if not found:
        return None
    rows = [_row(one) for one in sorted(found, key=lambda one: (one.overall is None, one.overall or 0.0))]
    ranked = [row.of for row in rows if row.of.overall is not None]
    models = [one for one in ranked if one.index is not None]
    models = [one for one in models if one.model is not None] or models or ranked
    accuracies = any(r.evaluator in TITLES and r.metric == "top1" for m in collection.models for r in m.results)
    of_bias = [d for d in collection.differences if d.metric == "shape_bias"]
    reference = _reference(ranked, models, of_bias)
    compared = _compare([one for one in ranked if one.model is not None], reference, of_bias)
    return {
        "rows": rows,
        "without": [model for model in collection.models if model.name not in {one.name for one in ranked}],
        "summary": _summary(models, of_bias) if models else None,
        "accuracies": accuracies,
        "compared": compared if any(row.difference for row in compared) else [],
        "reference": reference,
        "comparisons": sum(row.difference is not None for row in compared),
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
    names = {one.name for one in ranked}
    pairs = [d for d in differences if {d.a, d.b} <= names]
    for item, clear in zip(pairs, clear_together(pairs), strict=True):
        value, ends = item.of(high.name)
        if item.between(low.name, high.name) and ends is not None:
            several = f", also after Holm's correction for {len(pairs)} pairs of models" if len(pairs) > 1 else ""
            chance = f" of {len(pairs)} pairs of models" if item.clear and len(pairs) > 1 else ""
            inside = f"is clear of zero{several}" if clear else f"could be chance{chance}"
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


def _reference(ranked: Sequence[Respondent], models: Sequence[Respondent], differences: Sequence[Difference]) -> str:
    """Return the name of the model asked for, else of the first given that is compared with another."""
    named = [one for one in ranked if one.model is not None and one.model.place == 0]
    known = {name for d in differences for name in (d.a, d.b)}
    candidates = named or [one for one in models if one.name in known] or models
    return min(candidates, key=lambda one: one.model.place if one.model else 0).name if candidates else ""


def _compare(ranked: Sequence[Respondent], reference: str, differences: Sequence[Difference]) -> list[Compared]:
    """Compare everyone with the reference; a difference is called clear after Holm's correction for all of these."""
    names = {one.name for one in ranked}
    items = {d.a if d.b == reference else d.b: d for d in reversed(differences) if reference in (d.a, d.b)}
    items = {name: item for name, item in items.items() if name in names and item.value is not None}
    clear = dict(zip(items, clear_together(list(items.values())), strict=True))
    found = []
    for one in ranked:
        item = items.get(one.name)
        if item is None:
            found.append(Compared(one, None, "", "reference" if one.name == reference else "not compared"))
            continue
        value, ends = item.of(one.name)
        verdict = "includes 0: could be chance"
        if item.clear is None:
            verdict = "no interval"
        elif item.clear:
            verdict = "clear of 0" if clear[one.name] else "excludes 0, but could be chance among several"
        found.append(Compared(one, points(value), "" if ends is None else points_interval(ends), verdict))
    return found


SHAPE_BIAS = Section("Shape bias", "shape_bias.html", build, expected=True)
