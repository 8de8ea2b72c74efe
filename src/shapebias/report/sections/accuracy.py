"""The accuracies on every kind of pictures, a chart for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import interval_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import describe
from shapebias.report.sections import Section
from shapebias.report.values import listing, number, text
from shapebias.results.results import Result

TITLES = {
    "accuracy": "Unchanged pictures",
    "stylized": "Restyled pictures",
    "stylized-imagenet": "Stylized-ImageNet",
    "imagenet-sketch": "ImageNet-Sketch",
    "silhouettes": "Silhouettes",
    "edges": "Edges",
    "sketches": "Sketches",
}


@dataclass(frozen=True)
class Accuracies:
    """The accuracies on one set of pictures; ``guess`` is that of blind guessing, None if unknown."""

    title: str
    chart: Markup
    guess: float | None


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the charts in the order of ``TITLES``, one for every condition."""
    found: dict[tuple[int, str], list[tuple[Model, Result]]] = {}
    for model in collection.models:
        for result in model.results:
            if result.evaluator in TITLES and result.metric == "top1" and result.value is not None:
                place = list(TITLES).index(result.evaluator), describe(result.condition)
                found.setdefault(place, []).append((model, result))
    charts = [_accuracies(found[place]) for place in sorted(found)]
    return {"charts": charts} if charts else None


def _accuracies(rows: list[tuple[Model, Result]]) -> Accuracies:
    first = rows[0][1]
    condition = describe(first.condition)
    title = TITLES[first.evaluator] + (f" ({condition})" if condition else "")
    guesses = {_guess(model, result) for model, result in rows}
    guess = guesses.pop() if len(guesses) == 1 else None
    return Accuracies(title, interval_chart(title, rows, guess), guess)


def _guess(model: Model, result: Result) -> float | None:
    """Return the chance level over the model's possible answers, None if unknown."""
    chance = number(result.details.get("chance"))
    if result.evaluator in ("silhouettes", "edges", "sketches"):
        return chance if chance is not None and 0 < chance <= 1 else None
    if (among := re.match(r"0*([1-9]\d{0,6}) of ", text(result.condition.get("answers")) or "")) is not None:
        return 1 / int(among[1])
    home = next(m for m in model.measurements if any(r is result for r in m.results))
    outputs = len(listing(home.content.model.get("classes")))
    return 1 / outputs if outputs else None


ACCURACY = Section("Accuracy", "accuracy.html", build, expected=True)
