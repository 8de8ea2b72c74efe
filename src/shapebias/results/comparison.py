"""The comparison file: differences between two models' results over the images that both were measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json, write_json
from shapebias.results.results import ResultKey, is_number, read_interval, without_nan
from shapebias.stats.intervals import holm, p_value

SCHEMA = "shapebias/comparison/1"


@dataclass(frozen=True)
class Difference:
    """A result of model ``a`` minus that of ``b``, with its 95 % interval, over ``n`` images.

    ``condition`` is what both results have in common; if they differ, ``condition_a`` and ``condition_b`` are the full
    conditions of each. ``p`` is the two-sided p-value of no difference, and ``over`` says what the interval covers the
    choice of: "images", "photographs", or "seeds and images".
    """

    evaluator: str
    metric: str
    a: str
    b: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int | None
    condition: Mapping[str, Any] = field(default_factory=dict)
    condition_a: Mapping[str, Any] | None = None
    condition_b: Mapping[str, Any] | None = None
    p: float | None = None
    over: str = "images"

    @property
    def keys(self) -> tuple[ResultKey, ResultKey]:
        """The keys of the results of ``a`` and of ``b``."""
        conditions = (self.condition if own is None else own for own in (self.condition_a, self.condition_b))
        first, second = (json.dumps(condition, sort_keys=True) for condition in conditions)
        return (self.evaluator, self.metric, first), (self.evaluator, self.metric, second)

    @property
    def pair(self) -> frozenset[tuple[str, ResultKey]]:
        """The two models and results that are compared, regardless of their order."""
        first, second = self.keys
        return frozenset({(self.a, first), (self.b, second)})

    @property
    def clear(self) -> bool | None:
        """True if the interval excludes zero, None without an interval."""
        return None if self.ci95 is None else self.ci95[0] > 0 or self.ci95[1] < 0

    def between(self, model: str, other: str) -> bool:
        """Return whether the difference is between these two models."""
        return {self.a, self.b} == {model, other}

    def of(self, model: str) -> tuple[float | None, tuple[float, float] | None]:
        """Return value and interval of ``model`` minus the other one."""
        if self.value is None or self.a == model:
            return self.value, self.ci95
        return -self.value, None if self.ci95 is None else (-self.ci95[1], -self.ci95[0])

    def to_json(self) -> dict[str, Any]:
        """Return the difference as a row of the file; NaN becomes null."""
        own = {"condition_a": self.condition_a, "condition_b": self.condition_b}
        row = {
            **{"evaluator": self.evaluator, "metric": self.metric, "condition": self.condition},
            **{name: condition for name, condition in own.items() if condition is not None},
            **{"a": self.a, "b": self.b, "difference": self.value, "ci95": self.ci95, "n": self.n},
            **{"p": self.p, "over": self.over},
        }
        return without_nan(row)


@dataclass(frozen=True)
class Comparison:
    """A comparison file: the differences, and the hashes of the compared models' weights.

    ``unnamed`` counts the rows that do not name what they compare; they are ignored.
    """

    weights_sha256: Mapping[str, str | None] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    unnamed: int = 0


def clear_together(differences: Sequence[Difference]) -> list[bool | None]:
    """Return whether each difference is clear of zero at 5 % after Holm's correction for all; None without an interval.

    A p-value that a file lacks is that of the interval by the normal distribution.
    """
    given = [p_value(d.value, d.ci95) if d.p is None and d.value is not None else d.p for d in differences]
    known = [place for place, (d, p) in enumerate(zip(differences, given, strict=True)) if d.ci95 and p is not None]
    found: list[bool | None] = [None] * len(differences)
    for place, p in zip(known, holm([given[place] or 0.0 for place in known]), strict=True):
        found[place] = p < 0.05
    return found


def read_comparison(path: Path) -> Comparison:
    """Read a comparison file; the comparison is empty if there is no file.

    Raises:
        UserError: the file is broken, or of another schema.
    """
    if not path.is_file():
        return Comparison()
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise UserError(f"{path} is not a comparison of this version (schema {SCHEMA}): delete it, and compare again")
    digests, rows = value.get("weights_sha256", {}), value.get("paired", [])
    if not isinstance(digests, dict) or not isinstance(rows, list):
        raise UserError(f"{path} is a damaged comparison: delete it, and compare again")
    found = tuple(difference for row in rows if (difference := _difference(row)) is not None)
    return Comparison(digests, found, len(rows) - len(found))


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write a comparison file atomically."""
    content = {
        "schema": SCHEMA,
        "models": list(comparison.weights_sha256),
        "weights_sha256": dict(comparison.weights_sha256),
        "paired": [difference.to_json() for difference in comparison.differences],
    }
    write_json(path, content)


def merged(
    earlier: Comparison,
    differences: Sequence[Difference],
    weights_sha256: Mapping[str, str | None],
    names: Sequence[str],
) -> Comparison:
    """Append new differences to the ``earlier`` ones that are still valid.

    An earlier difference is still valid if it is not among the new ones and both models have unchanged weights;
    differences of a model without a known hash are dropped.

    Args:
        earlier: the content of the file.
        differences: the new ones.
        weights_sha256: current hash of every model in either.
        names: the models of the new differences.
    """
    same = {
        name
        for name, digest in earlier.weights_sha256.items()
        if digest is not None and weights_sha256.get(name) == digest
    }
    given = {difference.pair for difference in differences}
    kept = [d for d in earlier.differences if {d.a, d.b} <= same and d.pair not in given]
    others = sorted({name for d in kept for name in (d.a, d.b)} - set(names))
    digests = {name: weights_sha256.get(name) for name in (*names, *others)}
    return Comparison(digests, (*kept, *differences))


def _difference(row: Any) -> Difference | None:
    """Return the difference in a row of the file, None if the row does not name what it compares."""
    fields = row if isinstance(row, dict) else {}
    evaluator, metric, a, b = (fields.get(name) for name in ("evaluator", "metric", "a", "b"))
    if not all(isinstance(name, str) for name in (evaluator, metric, a, b)):
        return None
    conditions = (fields.get(f"condition{side}") for side in ("", "_a", "_b"))
    shared, own_a, own_b = (condition if isinstance(condition, dict) else None for condition in conditions)
    value, n, p, over = (fields.get(name) for name in ("difference", "n", "p", "over"))
    return Difference(
        evaluator=str(evaluator),
        metric=str(metric),
        a=str(a),
        b=str(b),
        value=without_nan(value) if is_number(value) else None,
        ci95=read_interval(fields.get("ci95")),
        n=n if type(n) is int else None,
        condition=shared or {},
        condition_a=own_a,
        condition_b=own_b,
        p=float(p) if p is not None and is_number(p) and 0 <= p <= 1 else None,
        over=over if isinstance(over, str) else "images",
    )
