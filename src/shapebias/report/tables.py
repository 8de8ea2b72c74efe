"""Every measured number in one table, and the paired differences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shapebias.report.collect import Collection, Network
from shapebias.report.format import counted, percent, percent_interval, plain, plain_interval, points, points_interval
from shapebias.report.records import Difference, Entry, describe

R = TypeVar("R")
_FRACTIONS = (
    "top1",
    "top5",
    "shape_bias",
    "shape_decisions",
    "texture_decisions",
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
_MANY = 6  # conditions of one evaluator; more of them are folded away


@dataclass(frozen=True)
class Cell:
    """One number with its interval and count, as shown."""

    value: str
    interval: str
    n: str


@dataclass(frozen=True)
class Row:
    """One evaluator, metric and condition, with a cell per network (None where not measured)."""

    evaluator: str
    metric: str
    condition: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class PairedRow:
    """One paired difference, as shown."""

    what: str
    a: str
    b: str
    difference: str
    interval: str
    n: str
    clear: bool | None


@dataclass(frozen=True)
class Folded(Generic[R]):
    """Rows of one evaluator that would swamp the others, behind their title."""

    title: str
    rows: tuple[R, ...]


@dataclass(frozen=True)
class Table(Generic[R]):
    """The rows that are seen at once, and those that are folded away."""

    rows: tuple[R, ...]
    folded: tuple[Folded[R], ...]


def full_table(networks: Sequence[Network]) -> Table[Row]:
    """All entries of all networks, known or not, networks as columns; single corruptions and attacks folded away."""
    entries: dict[tuple[str, str, str], list[list[Entry]]] = {}
    for place, network in enumerate(networks):
        for entry in network.entries:
            entries.setdefault(entry.key, [[] for _ in networks])[place].append(entry)
    rows: list[Row] = []
    folded: dict[str, list[Row]] = {}
    for key in sorted(entries, key=_place):
        found = [e for of_one in entries[key] for e in of_one]
        fraction = _fraction(key[1], found)
        row = Row(*key, tuple(_cell(of_one[0], fraction) if of_one else None for of_one in entries[key]))
        (folded.setdefault(key[0], []) if is_single(found[0].condition) else rows).append(row)
    parts = (Folded(f"{name}, {_kind(name)}", tuple(of_one)) for name, of_one in folded.items())
    return Table(tuple(rows), tuple(parts))


def paired_table(collection: Collection) -> Table[PairedRow]:
    """The paired differences, those whose interval excludes zero marked; many conditions folded away."""
    conditions: dict[str, set[str]] = {}
    for item in collection.differences:
        conditions.setdefault(item.evaluator, set()).add(describe(item.condition))
    rows: list[PairedRow] = []
    folded: dict[str, list[PairedRow]] = {}
    for item in collection.differences:
        away = is_single(item.condition) and len(conditions[item.evaluator]) > _MANY
        (folded.setdefault(item.evaluator, []) if away else rows).append(_paired(item))
    parts = (Folded(f"{name}, {_kind(name)}", tuple(of_one)) for name, of_one in folded.items())
    return Table(tuple(rows), tuple(parts))


def is_single(condition: Mapping[str, Any]) -> bool:
    """Whether a number is of one corruption or one attack, of which there are many beside it."""
    return "severity" in condition or "corruption" in condition or condition.get("attack", "none") != "none"


def _kind(evaluator: str) -> str:
    return "attack by attack" if "attack" in evaluator or evaluator == "white-box" else "one by one"


def is_clear(difference: Difference) -> bool | None:
    """Whether the interval of a difference excludes zero, None without an interval."""
    return None if difference.ci95 is None else difference.ci95[0] > 0 or difference.ci95[1] < 0


def _paired(item: Difference) -> PairedRow:
    what = f"{item.evaluator}, {item.metric}" + (f" ({describe(item.condition)})" if item.condition else "")
    fraction = _known(item.metric) or _within([item.value, *(item.ci95 or ())], -1.0)
    return PairedRow(
        what,
        item.a,
        item.b,
        points(item.value) if fraction else plain(item.value),
        points_interval(item.ci95) if fraction else plain_interval(item.ci95),
        counted(item.n),
        is_clear(item),
    )


def _place(key: tuple[str, str, str]) -> tuple[int, str, int, str, list[tuple[float, str]]]:
    """Known evaluators in the order of the page, shape before texture, then the rest by name and by number."""
    evaluator, metric, condition = key
    known = list(_FRACTIONS)
    group = "transfer-" if evaluator.startswith("transfer-") and evaluator not in _ORDER else evaluator
    first = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    second = known.index(metric) if metric in known else len(known)
    parts = re.findall(r"\d{1,9}(?:\.\d{1,9})?|\D+", condition, re.ASCII)
    return first, evaluator, second, metric, [(float(p), "") if p[0] in "0123456789" else (-1.0, p) for p in parts]


def _known(metric: str) -> bool:
    return metric in _FRACTIONS or metric.startswith("top1_")


def _fraction(metric: str, entries: Sequence[Entry]) -> bool:
    """Known metrics are fractions; an unknown one is taken for one while all its values fit."""
    return _known(metric) or all(_within([e.value, *(e.ci95 or ())], 0.0) for e in entries)


def _within(values: Sequence[float | None], low: float) -> bool:
    return all(value is None or low <= value <= 1.0 for value in values)


def _cell(entry: Entry, fraction: bool) -> Cell:
    if fraction:
        return Cell(percent(entry.value), percent_interval(entry.ci95), counted(entry.n))
    return Cell(plain(entry.value), plain_interval(entry.ci95), counted(entry.n))
