"""Accuracy on corrupted pictures: a map per model, and differences to one of them (Hendrycks and Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import LANES, Axis, Dot, row_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import (
    MISSING,
    classes_note,
    percent,
    percent_interval,
    plain,
    points,
    points_interval,
    present_note,
)
from shapebias.report.sections import Section
from shapebias.report.values import Interval, number, text
from shapebias.results.comparison import Difference
from shapebias.results.results import Result

GROUPS = {
    "noise": {"gaussian_noise": "Gaussian noise", "shot_noise": "shot noise", "impulse_noise": "impulse noise"},
    "blur": {
        "defocus_blur": "defocus",
        "glass_blur": "frosted glass",
        "motion_blur": "motion",
        "zoom_blur": "zoom",
    },
    "weather": {"snow": "snow", "frost": "frost", "fog": "fog", "brightness": "brightness"},
    "digital": {
        "contrast": "contrast",
        "elastic_transform": "elastic",
        "pixelate": "pixelate",
        "jpeg_compression": "JPEG",
    },
}
TITLES = {name: title for group in GROUPS.values() for name, title in group.items()}
SEVERITIES = (1, 2, 3, 4, 5)
EVALUATOR = "corruptions"
_MCE = "mCE"
_STEP = 0.05  # the axis of differences ends at a multiple of this
_FULL = 60  # percent from which the colour is so full that white (in the dark: black) is read better on it

Measured = dict[tuple[str, int | None], Result]  # by corruption and severity, None for the mean of the five


@dataclass(frozen=True)
class Shade:
    """One cell: its number, how full its colour is in percent (None: not measured), and its text on hovering."""

    number: str
    level: str | None
    full: bool
    title: str


@dataclass(frozen=True)
class CorruptionMap:
    """One model's map, its means (name, value, interval), and the cells without a result in words.

    ``groups`` hold their corruptions, each with its cells from the mildest severity to the strongest and their mean.
    """

    model: Model
    groups: tuple[tuple[str, tuple[tuple[str, tuple[Shade, ...]], ...]], ...]
    means: tuple[tuple[str, str, str], ...]
    note: str
    missing: str


@dataclass(frozen=True)
class Comparison:
    """The reference, and the differences of the others to it; ``intervals`` of them have an interval."""

    first: Model
    others: tuple[Model, ...]
    chart: Markup
    intervals: int


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the map of every model that was measured on corrupted pictures, and their differences to the reference."""
    measured = [m for m in collection.models if any(r.evaluator == EVALUATOR for r in m.results)]
    if not measured:
        return None
    maps = [_map(model) for model in measured]
    has_mce = any(name.startswith(_MCE) for shown in maps for name, _, _ in shown.means)
    return {"maps": maps, "severities": SEVERITIES, "has_mce": has_mce, "comparison": _comparison(collection)}


def _accuracies(model: Model) -> Measured:
    found: Measured = {}
    for result in model.results:
        name, severity = text(result.condition.get("corruption")), result.condition.get("severity")
        if result.evaluator != EVALUATOR or result.metric != "top1" or name not in TITLES or result.value is None:
            continue
        if severity is None or number(severity) in SEVERITIES:
            found.setdefault((name, None if severity is None else int(severity)), result)
    return found


def _map(model: Model) -> CorruptionMap:
    found = _accuracies(model)

    def row(name: str, title: str) -> tuple[Shade, ...]:
        cells = [_shade(found.get((name, severity)), f"{title}, severity {severity}") for severity in SEVERITIES]
        return (*cells, _shade(found.get((name, None)), f"{title}, mean of the severities"))

    groups = tuple(
        (group, tuple((title, row(name, title)) for name, title in names.items())) for group, names in GROUPS.items()
    )
    results = [result for result in model.results if result.evaluator == EVALUATOR]
    notes = dict.fromkeys(note for result in results if (note := classes_note(result)))
    return CorruptionMap(model, groups, _means(results), ", ".join(notes), _missing(found))


def _means(results: Sequence[Result]) -> tuple[tuple[str, str, str], ...]:
    """Name, value and interval of the mean accuracy, or of that over what is there, and of the mCE."""
    defined = {result.metric: result for result in reversed(results) if result.value is not None}
    mean = defined.get("mean_top1") or defined.get("mean_top1_of_present")
    shown = []
    if mean is not None:
        shown.append((" ".join(filter(None, ["mean accuracy", present_note(mean)])), mean))
    if "mce" in defined:
        shown.append((_MCE, defined["mce"]))
    return tuple((name, percent(r.value), percent_interval(r.ci95)) for name, r in shown)


def _shade(result: Result | None, what: str) -> Shade:
    if result is None or result.value is None:
        return Shade(MISSING, None, False, f"{what}: not measured")
    level = round(100 * min(max(result.value, 0.0), 1.0))
    title = f"{what}: {percent(result.value)} ({percent_interval(result.ci95)})"
    shown = percent(result.value, 0).removesuffix("\u202f%")
    return Shade(shown, f"{level}%", level >= _FULL, title)


def _missing(found: Mapping[tuple[str, int | None], Result]) -> str:
    """Return the missing cells in words: ``snow; fog at 3, 4``; empty if none are missing."""
    missing = []
    for name, title in TITLES.items():
        absent = [severity for severity in SEVERITIES if (name, severity) not in found]
        if absent:
            where = "" if len(absent) == len(SEVERITIES) else f" at {', '.join(map(plain, absent))}"
            missing.append(title + where)
    return "every corruption" if missing == list(TITLES.values()) else "; ".join(missing)


def _comparison(collection: Collection) -> Comparison | None:
    """The differences to the reference: the paired ones with their intervals, else those of the two accuracies.

    None with fewer than two models, or without a corruption that two were measured on.
    """
    measured = [(model, of_model) for model in collection.models if (of_model := _accuracies(model))]
    if len(measured) < 2:
        return None
    first, base = min(measured, key=lambda pair: pair[0].place)
    others = [pair for pair in measured if pair[0] is not first]
    differences = _paired(collection.differences, first.name)
    found: dict[str, dict[str, tuple[float, Interval | None]]] = {}  # by corruption and model
    for name in TITLES:
        for model, of_model in others:
            here, there = of_model.get((name, None)), base.get((name, None))
            if here and there and here.value is not None and there.value is not None:
                paired = differences.get((name, model.name))
                found.setdefault(name, {})[model.name] = paired or (here.value - there.value, None)
    models = [model for model, _ in others if any(model.name in of_one for of_one in found.values())]
    intervals = sum(ends is not None for of_one in found.values() for _, ends in of_one.values())
    return Comparison(first, tuple(models), _chart(first, models, found), intervals) if models else None


def _paired(differences: Sequence[Difference], first: str) -> dict[tuple[str, str], tuple[float, Interval | None]]:
    """Return every model's difference to ``first`` by corruption and model, over all severities."""
    found = {}
    for item in reversed(differences):
        of_one = item.evaluator == EVALUATOR and item.metric == "top1" and "severity" not in item.condition
        if of_one and first in (item.a, item.b):
            model = item.b if item.a == first else item.a
            value, ends = item.of(model)
            if value is not None:
                found[text(item.condition.get("corruption")) or "", model] = value, ends
    return found


def _chart(
    first: Model, models: Sequence[Model], found: Mapping[str, Mapping[str, tuple[float, Interval | None]]]
) -> Markup:
    ends = [
        abs(end) for of_one in found.values() for value, bounds in of_one.values() for end in (value, *(bounds or ()))
    ]
    reach = min(max(_STEP, _STEP * -(-max(ends) // _STEP)), 1.0)
    places = [reach * part for part in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    axis = Axis(-reach, reach, tuple((place, f"{'+' if place > 0 else ''}{plain(100 * place)}") for place in places))
    dots = []
    for row, (name, of_one) in enumerate(found.items()):
        for lane, model in enumerate(models):
            if model.name in of_one:
                value, bounds = of_one[model.name]
                shown = f"{points(value)} to {first.name} ({points_interval(bounds)})"
                dots.append(Dot(row, lane, value, f"{model.name}, {TITLES[name]}: {shown}", model.index, bounds))
    step = max(28, 9 * min(len(models), LANES) + 10)
    return row_chart(
        [TITLES[name] for name in found],
        dots,
        axis,
        label=f"Accuracy under every corruption minus that of {first.name}: {', '.join(m.name for m in models)}",
        lanes=len(models),
        step=step,
        spacing=min(9.0, (step - 10) / len(models)),
        size=4.5,
    )


CORRUPTIONS = Section("Corruptions", "corruptions.html", build)
