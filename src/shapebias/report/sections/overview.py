"""Normal, stylized, cue-conflict and corrupted pictures side by side (figure 1 of the method's paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import bar_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import classes_note, describe, joined, present_note
from shapebias.report.sections import Section
from shapebias.results.results import Result


@dataclass(frozen=True)
class Choice:
    """An evaluator that can fill a panel, by the first of ``metrics`` that has a value."""

    evaluator: str
    metrics: tuple[str, ...]
    title: str
    unit: str


_PANELS = (
    (Choice("accuracy", ("top1",), "Normal pictures", "right answers"),),
    (
        Choice("stylized", ("top1",), "Stylized pictures", "right answers"),
        Choice("stylized-imagenet", ("top1",), "Stylized-ImageNet", "right answers"),
    ),
    (Choice("shape-bias", ("shape_bias",), "Cue conflict", "shape bias: decisions by shape"),),
    (Choice("corruptions", ("mean_top1", "mean_top1_of_present"), "Corrupted pictures", "right answers, mean"),),
)


@dataclass(frozen=True)
class Panel:
    """One kind of pictures, a bar per model."""

    title: str
    unit: str
    note: str
    chart: Markup


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the measured panels, None if there are fewer than two."""
    panels = [panel for choices in _PANELS if (panel := _panel(collection.models, choices)) is not None]
    if len(panels) < 2:
        return None
    return {"panels": panels, "models": [model for model in collection.models if model.measurements]}


def _panel(models: Sequence[Model], choices: Sequence[Choice]) -> Panel | None:
    """Return the choice with the most models, the first if tied; results of different choices are not comparable."""
    measured = [(choice, [(m, r) for m in models if (r := _result(m, choice)) is not None]) for choice in choices]
    choice, rows = max(measured, key=lambda pair: len(pair[1]))
    if not rows:
        return None
    note = joined([(model.name, _note(result)) for model, result in rows])
    return Panel(choice.title, choice.unit, note, bar_chart(f"{choice.title}, {choice.unit}", rows))


def _result(model: Model, choice: Choice) -> Result | None:
    """Return the result without a condition, or the first."""
    for metric in choice.metrics:
        results = [r for r in model.results if (r.evaluator, r.metric) == (choice.evaluator, metric)]
        results = [r for r in results if r.value is not None]
        if results:
            return next((r for r in results if not r.condition), results[0])
    return None


def _note(result: Result) -> str:
    others = describe({key: value for key, value in result.condition.items() if key != "answers"})
    return ", ".join(filter(None, [others, classes_note(result), present_note(result)]))


OVERVIEW = Section("Overview", "overview.html", build)
