"""Models and people with answers to cue-conflict pictures, from results and from response files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shapebias.data.readers.cue_conflict import photographs
from shapebias.errors import some
from shapebias.report.collect import Collection, Model, is_person
from shapebias.report.values import Interval, count, number, table
from shapebias.results.published import published_text
from shapebias.results.responses import Trial
from shapebias.results.results import Result, read_interval
from shapebias.stats.bootstrap import ratio_interval
from shapebias.stats.crossed import Crossed


@dataclass(frozen=True)
class CategoryShare:
    """Share of shape among the decisions by either cue within one category, its interval, and the counts of both."""

    value: float
    ci95: Interval | None = field(compare=False)  # also of the same decisions it may rest on another random seed
    shape: float | None
    texture: float | None


@dataclass(frozen=True)
class Respondent:
    """A model, or a person (``index`` None): the shape bias over all pictures and in every category with a decision.

    ``decided`` of ``conflicts`` pictures were decided by either cue; ``model`` is None if only responses are there.
    ``published`` tells of a published shape bias of the same weights.
    """

    name: str
    index: int | None
    overall: float | None
    ci95: Interval | None
    decided: int
    conflicts: int | None
    shares: Mapping[str, CategoryShare]
    model: Model | None = None
    published: str | None = None

    @property
    def cues(self) -> tuple[tuple[str, float], ...]:
        """Share of all pictures decided by shape, by neither and by texture; empty if their number is unknown."""
        if not self.conflicts or self.decided > self.conflicts:
            return ()
        shape, decided = self.overall or 0.0, self.decided / self.conflicts
        return ("shape", shape * decided), ("neither", 1 - decided), ("texture", (1 - shape) * decided)


def respondents(collection: Collection) -> list[Respondent]:
    """Return the models with a result for shape bias, then those whose responses only are there."""
    measured = [
        _measured(model, result)
        for model in collection.models
        if (result := model.result("shape-bias", "shape_bias")) is not None
    ]
    return [*measured, *_answered(collection, measured)]


def cue_of(answer: str, shape: str, texture: str) -> str:
    """Return the cue that an answer follows: shape, texture, or other."""
    return {shape: "shape", texture: "texture"}.get(answer, "other")


def _measured(model: Model, result: Result) -> Respondent:
    shares = {}
    for category, counts in sorted(table(result.details.get("per_category")).items()):
        value = number(table(counts).get("shape_bias"))
        if value is not None:
            shape, texture = number(counts.get("shape")), number(counts.get("texture"))
            shares[category] = CategoryShare(value, read_interval(counts.get("ci95")), shape, texture)
    conflicts, published = count(result.details.get("conflict_images")), published_text(result.details)
    return Respondent(model.name, model.index, result.value, result.ci95, result.n, conflicts, shares, model, published)


def _answered(collection: Collection, measured: Sequence[Respondent]) -> list[Respondent]:
    """The respondents of response files, numbered after the models; those that the page has already are skipped.

    Answers with the counts of the results of that name are what these were computed from; others give a warning.
    """
    trials: dict[str, dict[str, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in collection.trials:
        shape, texture = trial.cues
        if shape != texture:
            trials[trial.observer][shape].append(trial)
    known = {model.name for model in collection.models}
    shown = {respondent.name: respondent.shares for respondent in measured}
    other = [name for name in known & set(trials) if _respondent(name, 0, trials[name]).shares != shown.get(name)]
    if other:
        collection.warnings.append(f"the page shows other results of that name; responses skipped: {some(other)}")
    names = sorted(set(trials) - known, key=lambda name: (is_person(name), name))
    first = sum(model.index is not None for model in collection.models)
    return [_respondent(name, first + place, trials[name]) for place, name in enumerate(names)]


def _respondent(name: str, index: int, categories: Mapping[str, Sequence[Trial]]) -> Respondent:
    shares = {category: share for category, of in sorted(categories.items()) if (share := _share(of)) is not None}
    trials = [trial for of in categories.values() for trial in of]
    overall = _share(trials)
    index_or_person = None if is_person(name) else index
    if overall is None:
        return Respondent(name, index_or_person, None, None, 0, len(trials), shares)
    decided = round((overall.shape or 0) + (overall.texture or 0))
    return Respondent(name, index_or_person, overall.value, overall.ci95, decided, len(trials), shares)


def _share(trials: Sequence[Trial]) -> CategoryShare | None:
    """Return the share of shape in the decisions of trials by either cue, None without any."""
    cues = [cue_of(trial.response, *trial.cues) for trial in trials]
    pairs = np.array([(cue == "shape", cue in ("shape", "texture")) for cue in cues], dtype=np.float64).reshape(-1, 2)
    shape, decided = pairs.sum(0).tolist()
    if not decided:
        return None
    interval = ratio_interval(pairs, Crossed.of(photographs(trial.image for trial in trials)), seed=0)
    return CategoryShare(shape / decided, interval, shape, decided - shape)
