"""Every result in one table, and the paired differences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shapebias.report.collect import Collection, Model
from shapebias.report.format import (
    counted,
    describe,
    percent,
    percent_interval,
    plain,
    plain_interval,
    points,
    points_interval,
)
from shapebias.report.sections import Section
from shapebias.results.comparison import Difference, clear_together
from shapebias.results.results import Result

R = TypeVar("R")
Key = tuple[str, str, str]  # evaluator, metric, condition in words
_FRACTIONS = (
    "top1",
    "top5",
    "shape_decisions",
    "texture_decisions",
    "neither_decisions",
    "shape_bias",
    "shape_neurons",
    "texture_neurons",
    "residual_neurons",
    "mean_top1",
    "mean_top1_of_present",
    "mce",
    "target_rate",
    "map",
    "miou",
    "miou_best",
)
_ORDER = (
    "shape-bias",
    "accuracy",
    "stylized",
    "stylized-imagenet",
    "imagenet-sketch",
    "silhouettes",
    "edges",
    "sketches",
    "white-box",
    "transfer-attack",
    "corruptions",
    "transfer-",  # and a task
    "ablation-voc12",
    "segmentation",
    "cam",
    "dimensionality",
)
_MANY = 6  # more conditions of one evaluator than this are collapsed


@dataclass(frozen=True)
class Cell:
    """One result's value, interval and count, as shown."""

    value: str
    interval: str
    n: str


@dataclass(frozen=True)
class Row:
    """One evaluator, metric and condition, with a cell per model (None where not measured)."""

    evaluator: str
    metric: str
    condition: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class PairedRow:
    """One paired difference, as shown."""

    title: str
    a: str
    b: str
    difference: str
    interval: str
    over: str
    n: str
    clear: str


@dataclass(frozen=True)
class Table(Generic[R]):
    """Rows that are always visible, and further rows in collapsible groups by title."""

    rows: list[R] = field(default_factory=list)
    folded: dict[str, list[R]] = field(default_factory=dict)

    def add(self, row: R, evaluator: str, *, away: bool) -> None:
        """Add a row; with ``away``, to a collapsible group."""
        kind = "attack by attack" if "attack" in evaluator or evaluator == "white-box" else "one by one"
        (self.folded.setdefault(f"{evaluator}, {kind}", []) if away else self.rows).append(row)


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the table of results, models as columns, and that of differences; None without results."""
    models = [model for model in collection.models if model.measurements]
    results = _results(models)
    if not results.rows and not results.folded:
        return None
    return {"results": results, "paired": _differences(collection.differences), "models": models}


def _results(models: Sequence[Model]) -> Table[Row]:
    """Return all results; single corruptions and attacks are collapsed."""
    found: dict[Key, list[list[Result]]] = {}
    for place, model in enumerate(models):
        for result in model.results:
            key = result.evaluator, result.metric, describe(result.condition)
            found.setdefault(key, [[] for _ in models])[place].append(result)
    table: Table[Row] = Table()
    for key in sorted(found, key=_place):
        alike = [result for of_one in found[key] for result in of_one]
        fraction = _is_fraction(key[1], alike)
        cells = tuple(_cell(of_one[0], fraction) if of_one else None for of_one in found[key])
        table.add(Row(*key, cells), key[0], away=is_single(alike[0].condition))
    return table


def _differences(differences: Sequence[Difference]) -> Table[PairedRow]:
    """Return the paired differences; many single corruptions and attacks are collapsed."""
    conditions: dict[str, set[str]] = {}
    for item in differences:
        conditions.setdefault(item.evaluator, set()).add(describe(item.condition))
    table: Table[Difference] = Table()
    for item in differences:
        away = is_single(item.condition) and len(conditions[item.evaluator]) > _MANY
        table.add(item, item.evaluator, away=away)
    return Table(_paired_rows(table.rows), {title: _paired_rows(items) for title, items in table.folded.items()})


def _paired_rows(items: Sequence[Difference]) -> list[PairedRow]:
    """Return the rows of one table, in which Holm's correction is for all of them."""
    words = {None: "\u2013", True: "yes", False: "no"}
    rows = []
    for item, together in zip(items, clear_together(items), strict=True):
        alone = item.clear and not together
        rows.append(_paired(item, "uncorrected only" if alone and together is not None else words[together]))
    return rows


def is_single(condition: Mapping[str, Any]) -> bool:
    """Return whether a result is of one corruption or one attack, of which there are many beside it."""
    return "severity" in condition or "corruption" in condition or condition.get("attack", "none") != "none"


def _paired(item: Difference, clear: str) -> PairedRow:
    title = f"{item.evaluator}, {item.metric}" + (f" ({describe(item.condition)})" if item.condition else "")
    fraction = _is_known(item.metric) or _within([item.value, *(item.ci95 or ())], -1.0)
    shown = points(item.value) if fraction else plain(item.value)
    ends = points_interval(item.ci95) if fraction else plain_interval(item.ci95)
    return PairedRow(title, item.a, item.b, shown, ends, item.over, counted(item.n), clear)


def _place(key: Key) -> tuple[int, str, int, str, list[tuple[float, str]]]:
    """Known evaluators in the order of the page, shape before texture, then the rest by name and by number."""
    evaluator, metric, condition = key
    group = "transfer-" if evaluator.startswith("transfer-") and evaluator not in _ORDER else evaluator
    first = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    second = _FRACTIONS.index(metric) if metric in _FRACTIONS else len(_FRACTIONS)
    parts = re.findall(r"\d{1,9}(?:\.\d{1,9})?|\D+", condition, re.ASCII)
    return first, evaluator, second, metric, [(float(p), "") if p[0] in "0123456789" else (-1.0, p) for p in parts]


def _is_known(metric: str) -> bool:
    return metric in _FRACTIONS or metric.startswith("top1_")


def _is_fraction(metric: str, results: Sequence[Result]) -> bool:
    """Known metrics are fractions; an unknown one is taken for one while all its values fit."""
    return _is_known(metric) or all(_within([r.value, *(r.ci95 or ())], 0.0) for r in results)


def _within(values: Sequence[float | None], low: float) -> bool:
    return all(value is None or low <= value <= 1.0 for value in values)


def _cell(result: Result, fraction: bool) -> Cell:
    if fraction:
        return Cell(percent(result.value), percent_interval(result.ci95), counted(result.n))
    return Cell(plain(result.value), plain_interval(result.ci95), counted(result.n))


RESULTS = Section("All results", "results.html", build, expected=True)
