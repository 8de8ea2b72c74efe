"""Every measured number in one table, and the paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shapebias.report.collect import Collection, Network
from shapebias.report.records import Difference, Entry, describe
from shapebias.report.words import counted, percent, percent_interval, plain, plain_interval, points, points_interval

_FRACTIONS = (
    "top1",
    "top5",
    "shape_bias",
    "shape_decisions",
    "texture_decisions",
    "shape_neurons",
    "texture_neurons",
    "residual_neurons",
)
_ORDER = ("shape-bias", "accuracy", "stylized", "dimensionality")


@dataclass(frozen=True)
class Cell:
    """One number with its interval and count, as shown."""

    value: str
    interval: str
    n: str


@dataclass(frozen=True)
class Row:
    """One benchmark, metric and condition, with a cell per network (None where not measured)."""

    benchmark: str
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


def full_table(networks: Sequence[Network]) -> list[Row]:
    """All entries of all networks, known or not, networks as columns."""
    keys = dict.fromkeys(entry.key for network in networks for entry in network.entries)
    rows = []
    for key in sorted(keys, key=_place):
        found = [[e for e in network.entries if e.key == key] for network in networks]
        fraction = _fraction(key[1], [e for entries in found for e in entries])
        rows.append(Row(*key, tuple(_cell(entries[0], fraction) if entries else None for entries in found)))
    return rows


def paired_table(collection: Collection) -> list[PairedRow]:
    """The paired differences, those whose interval excludes zero marked."""
    return [_paired(difference) for difference in collection.differences]


def is_clear(difference: Difference) -> bool | None:
    """Whether the interval of a difference excludes zero, None without an interval."""
    return None if difference.ci95 is None else difference.ci95[0] > 0 or difference.ci95[1] < 0


def _paired(item: Difference) -> PairedRow:
    what = f"{item.benchmark}, {item.metric}" + (f" ({describe(item.condition)})" if item.condition else "")
    fraction = item.metric in _FRACTIONS or _within([item.value, *(item.ci95 or ())], -1.0)
    return PairedRow(
        what,
        item.a,
        item.b,
        points(item.value) if fraction else plain(item.value),
        points_interval(item.ci95) if fraction else plain_interval(item.ci95),
        counted(item.n),
        is_clear(item),
    )


def _place(key: tuple[str, str, str]) -> tuple[int, str, int, str, str]:
    """Known benchmarks in the order of the page, shape before texture, then the rest by name."""
    benchmark, metric, condition = key
    known = list(_FRACTIONS)
    first = _ORDER.index(benchmark) if benchmark in _ORDER else len(_ORDER)
    second = known.index(metric) if metric in known else len(known)
    return first, benchmark, second, metric, condition


def _fraction(metric: str, entries: Sequence[Entry]) -> bool:
    """Known metrics are fractions; an unknown one is taken for one while all its values fit."""
    return metric in _FRACTIONS or all(_within([e.value, *(e.ci95 or ())], 0.0) for e in entries)


def _within(values: Sequence[float | None], low: float) -> bool:
    return all(value is None or low <= value <= 1.0 for value in values)


def _cell(entry: Entry, fraction: bool) -> Cell:
    if fraction:
        return Cell(percent(entry.value), percent_interval(entry.ci95), counted(entry.n))
    return Cell(plain(entry.value), plain_interval(entry.ci95), counted(entry.n))
