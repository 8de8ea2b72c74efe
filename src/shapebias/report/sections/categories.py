"""Shape bias by category: a row per category, a mark per model and person (Geirhos et al. 2019, figure 4)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from shapebias.data.readers.cue_conflict import photographs
from shapebias.errors import some
from shapebias.report.charts import LANES, PERCENT, Axis, Dot, Total, row_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import percent, percent_interval, plain
from shapebias.report.sections import Section
from shapebias.report.sections.decisions import cue_of
from shapebias.report.values import Interval, number, table
from shapebias.results.responses import Trial
from shapebias.results.results import read_interval
from shapebias.stats.bootstrap import ratio_interval
from shapebias.stats.crossed import Crossed

_PERSON = re.compile(r"(subject|subj|human|person|participant)s?([-_ ]?\w{1,4})?", re.IGNORECASE)
_AXIS = Axis(1.0, 0.0, PERCENT.ticks)  # shape at the left


@dataclass(frozen=True)
class CategoryShare:
    """Share of shape among the decisions by either cue within one category, its interval, and the counts of both."""

    value: float
    ci95: Interval | None = field(compare=False)  # also of the same decisions it may rest on another random seed
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
        rows.append((category, [(percent(one.value), percent_interval(one.ci95)) if one else None for one in found]))
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
            counts = f"{plain(share.shape)} by shape, {plain(share.texture)} by texture"
            shown = f"{percent(share.value)} by shape ({percent_interval(share.ci95)}; {counts})"
            title = f"{respondent.name}, {category}: {shown}"
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
                shape, texture = number(counts.get("shape")), number(counts.get("texture"))
                shares[category] = CategoryShare(value, read_interval(counts.get("ci95")), shape, texture)
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
    trials: dict[str, dict[str, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in collection.trials:
        shape, texture = trial.cues
        if shape != texture:
            trials[trial.observer][shape].append(trial)
    shown = {respondent.name: respondent.shares for respondent in measured}
    other = [name for name in known & set(trials) if _respondent(name, 0, trials[name]).shares != shown.get(name)]
    if other:
        collection.warnings.append(f"the page shows other results of that name; responses skipped: {some(other)}")
    names = sorted(set(trials) - known, key=lambda name: (_is_person(name), name))  # so that models take the colours
    return [_respondent(name, len(known) + place, trials[name]) for place, name in enumerate(names)]


def _respondent(name: str, index: int, categories: Mapping[str, Sequence[Trial]]) -> Respondent:
    shares = {category: _share(trials) for category, trials in sorted(categories.items())}
    overall = _share([trial for trials in categories.values() for trial in trials])
    decided = {category: share for category, share in shares.items() if share is not None}
    return Respondent(name, None if _is_person(name) else index, overall.value if overall else None, decided)


def _share(trials: Sequence[Trial]) -> CategoryShare | None:
    """Return the share of shape in the decisions of trials by either cue, None without any."""
    cues = [cue_of(trial.response, *trial.cues) for trial in trials]
    pairs = np.array([(cue == "shape", cue in ("shape", "texture")) for cue in cues], dtype=np.float64).reshape(-1, 2)
    shape, decided = pairs.sum(0).tolist()
    if not decided:
        return None
    interval = ratio_interval(pairs, Crossed.of(photographs(trial.image for trial in trials)), seed=0)
    return CategoryShare(shape / decided, interval, shape, decided - shape)


def _is_person(name: str) -> bool:
    """Return whether a respondent has a name like the people in published response files: ``subject-02``."""
    return _PERSON.fullmatch(name) is not None


CATEGORIES = Section("Shape bias by category", "categories.html", build, absent="No decisions per category were found.")
