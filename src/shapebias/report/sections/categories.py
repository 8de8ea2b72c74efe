"""Shape bias by category: a row per category, a mark per model and person (Geirhos et al. 2019, figure 4)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.errors import some
from shapebias.report.charts import LANES, PERCENT, Axis, Dot, Total, row_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import MISSING, percent, plain
from shapebias.report.sections import Section
from shapebias.report.sections.decisions import cue_of
from shapebias.report.values import number, table

_PERSON = re.compile(r"(subject|subj|human|person|participant)s?([-_ ]?\w{1,4})?", re.IGNORECASE)
_AXIS = Axis(1.0, 0.0, PERCENT.ticks)  # shape at the left


@dataclass(frozen=True)
class CategoryShare:
    """Share of shape among the decisions by either cue within one category, and the counts of both."""

    value: float
    shape: float | None
    texture: float | None


@dataclass(frozen=True)
class Respondent:
    """A model or a person (``index`` None): the shape bias over all pictures and in every category with a decision."""

    name: str
    index: int | None
    overall: float | None
    shares: Mapping[str, CategoryShare]


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the chart and its numbers for the models on the page and the respondents of response files."""
    measured = _measured(collection.models)
    respondents = [*measured, *_answered(collection, measured)]
    categories = sorted({category for respondent in respondents for category in respondent.shares})
    if not respondents:
        return None
    rows = []
    for category in categories:
        found = (respondent.shares.get(category) for respondent in respondents)
        rows.append((category, [percent(one.value) if one else MISSING for one in found]))
    longest = max((min(len(category), 18) for category in categories), default=0)
    chart = _chart(respondents, categories)
    people = any(respondent.index is None for respondent in respondents)
    label_width = max(60, 8 * longest + 22)
    return {"respondents": respondents, "people": people, "rows": rows, "chart": chart, "label_width": label_width}


def _chart(respondents: Sequence[Respondent], categories: Sequence[str]) -> Markup:
    """Models lie one under the other; people share a lane, as rings. Vertical lines are shares over all pictures."""
    people = any(respondent.index is None for respondent in respondents)
    dots, totals, lanes = [], [], int(people)
    for respondent in respondents:
        lane = 0 if respondent.index is None else lanes
        lanes += respondent.index is not None
        if respondent.overall is not None:
            title = f"{respondent.name}, all categories: {percent(respondent.overall)} by shape"
            totals.append(Total(respondent.overall, title, respondent.index))
        for category, share in respondent.shares.items():
            counts = f" ({plain(share.shape)} by shape, {plain(share.texture)} by texture)"
            title = f"{respondent.name}, {category}: {percent(share.value)} by shape{counts}"
            dots.append(Dot(categories.index(category), lane, share.value, title, respondent.index))
    names = ", ".join(f"{r.name} {percent(r.overall, 0)}" if len(respondents) > 1 else r.name for r in respondents)
    return row_chart(
        categories,
        dots,
        _AXIS,
        label=f"Share of shape decisions per category for {names}; the numbers follow as a table",
        lanes=lanes,
        step=max(30, 9 * min(lanes, LANES) + 8),
        spacing=7.5 * LANES / max(lanes, LANES),
        totals=totals,
        halves=("side-shape", "side-texture"),
    )


def _measured(models: Sequence[Model]) -> list[Respondent]:
    """Return every model that decided anything; results without weights under a person's name are a person's."""
    found = []
    for model in models:
        result = model.result("shape-bias", "shape_bias")
        shares = {}
        for category, counts in sorted(table(result.details.get("per_category")).items() if result else ()):
            value = number(table(counts).get("shape_bias"))
            if value is not None:
                shares[category] = CategoryShare(value, number(counts.get("shape")), number(counts.get("texture")))
        if shares:
            weights = any(measurement.weights for measurement in model.measurements)
            person = model.run is None and not weights and _is_person(model.name)
            found.append(Respondent(model.name, None if person else model.index, model.shape_bias, shares))
    return found


def _answered(collection: Collection, measured: Sequence[Respondent]) -> list[Respondent]:
    """The respondents of response files, numbered after the models; those that the page has already are skipped.

    Answers with the counts of the results of that name are what these were computed from; others give a warning.
    """
    known = {model.name for model in collection.models}
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for trial in collection.trials:
        shape, texture = trial.cues
        if shape != texture:
            counts[trial.observer][shape][cue_of(trial.response, shape, texture)] += 1
    shown = {respondent.name: respondent.shares for respondent in measured}
    other = [name for name in known & set(counts) if _respondent(name, 0, counts[name]).shares != shown.get(name)]
    if other:
        collection.warnings.append(f"the page shows other results of that name; responses skipped: {some(other)}")
    names = sorted(set(counts) - known, key=lambda name: (_is_person(name), name))  # so that models take the colours
    return [_respondent(name, len(known) + place, counts[name]) for place, name in enumerate(names)]


def _respondent(name: str, index: int, categories: Mapping[str, Counter[str]]) -> Respondent:
    shares = {}
    for category, cues in sorted(categories.items()):
        decided = cues["shape"] + cues["texture"]
        if decided:
            shares[category] = CategoryShare(cues["shape"] / decided, cues["shape"], cues["texture"])
    total = sum(categories.values(), Counter[str]())
    decided = total["shape"] + total["texture"]
    overall = total["shape"] / decided if decided else None
    return Respondent(name, None if _is_person(name) else index, overall, shares)


def _is_person(name: str) -> bool:
    """Return whether a respondent has a name like the people in published response files: ``subject-02``."""
    return _PERSON.fullmatch(name) is not None


CATEGORIES = Section("Shape bias by category", "categories.html", build, absent="No decisions per category were found.")
