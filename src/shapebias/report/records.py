"""The files a report reads, as small dataclasses that hold only checked values."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json

RUN_SCHEMA = "shapebias/run/1"
RESULTS_SCHEMA = "shapebias/results/1"
COMPARISON_SCHEMA = "shapebias/comparison/1"


@dataclass(frozen=True)
class Entry:
    """One measured number; ``value`` and ``ci95`` are None where it is not defined."""

    evaluator: str
    metric: str
    condition: Mapping[str, Any]
    value: float | None
    ci95: tuple[float, float] | None
    n: int | None
    details: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What was measured, as text that can be sorted and compared between networks."""
        return self.evaluator, self.metric, describe(self.condition)


@dataclass(frozen=True)
class Measurement:
    """One ``results.json``."""

    path: Path
    name: str
    model: Mapping[str, Any]
    environment: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def weights(self) -> str | None:
        """SHA-256 of the measured weights."""
        return text(self.model.get("weights_sha256"))


@dataclass(frozen=True)
class Run:
    """One training run: its ``run.json`` and, where there are any, its curves."""

    folder: Path
    name: str
    record: Mapping[str, Any]
    epochs: tuple[Mapping[str, float | str | None], ...]

    @property
    def weights(self) -> str | None:
        """SHA-256 of the trained weights, None while the run is unfinished."""
        return text(self.record.get("weights_sha256"))


@dataclass(frozen=True)
class Difference:
    """One paired difference, ``a`` minus ``b``, measured on the same images."""

    evaluator: str
    metric: str
    condition: Mapping[str, Any]
    a: str
    b: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int | None


def read_measurement(path: Path) -> Measurement:
    """Read one ``results.json``, or say in one line why it cannot be used."""
    record = read_record(path, RESULTS_SCHEMA, "measure the network again")
    model, entries = record.get("model"), record.get("results")
    if not isinstance(model, dict) or not isinstance(model.get("name"), str) or not isinstance(entries, list):
        raise UserError(f"{path} lacks model.name or the list of results: measure the network again")
    return Measurement(
        path=path,
        name=model["name"],
        model=model,
        environment=table(record.get("environment")),
        entries=tuple(_entry(path, index, entry) for index, entry in enumerate(entries)),
    )


def read_run(path: Path, warnings: list[str]) -> Run:
    """Read one ``run.json`` and the ``metrics.csv`` beside it; missing curves are only a warning."""
    record = read_record(path, RUN_SCHEMA, "train again or leave that folder out")
    name = record.get("name")
    if not isinstance(name, str):
        raise UserError(f"{path} has no name: train again or leave that folder out")
    return Run(path.parent, name, record, _epochs(path.parent / "metrics.csv", warnings))


def read_differences(path: Path, warnings: list[str]) -> tuple[Difference, ...]:
    """Read one ``comparison.json``; another file of that name is only a warning."""
    try:
        record = read_record(path, COMPARISON_SCHEMA, "measure the networks again")
    except UserError as error:
        warnings.append(f"{error} (left out)")
        return ()
    found = []
    for item in listing(record.get("paired")):
        entry = table(item)
        names = [entry.get(key) for key in ("evaluator", "metric", "a", "b")]
        if not all(isinstance(name, str) for name in names):
            warnings.append(f"{path} holds a paired difference without names (left out)")
            continue
        evaluator, metric, a, b = (str(name) for name in names)
        found.append(
            Difference(
                evaluator,
                metric,
                table(entry.get("condition")),
                a,
                b,
                number(entry.get("difference")),
                interval(entry.get("ci95")),
                count(entry.get("n")),
            )
        )
    return tuple(found)


def read_record(path: Path, schema: str, remedy: str) -> dict[str, Any]:
    """The JSON object of a file with that schema.

    Raises:
        UserError: broken, or of another schema; ``remedy`` says what to do.
    """
    record = read_json(path)
    if not isinstance(record, dict):
        raise UserError(f"{path} does not hold a JSON object: {remedy}")
    if record.get("schema") != schema:
        raise UserError(f"{path} has schema {record.get('schema')!r}, this report reads {schema!r}: {remedy}")
    return record


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def count(value: Any) -> int | None:
    """A whole number of things, or None for anything else."""
    found = number(value)
    return None if found is None else int(found)


def interval(value: Any) -> tuple[float, float] | None:
    """Two finite bounds, or None for anything else."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None else (low, high)


def table(value: Any) -> dict[str, Any]:
    """A JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """A JSON list, empty for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A string that is not empty, or None for anything else."""
    return value if isinstance(value, str) and value else None


def describe(condition: Mapping[str, Any]) -> str:
    """A condition in words: ``{"styles": "held-out"}`` is ``styles: held-out``."""
    return ", ".join(f"{key}: {condition[key]}" for key in sorted(condition))


def _entry(path: Path, index: int, entry: Any) -> Entry:
    fields = table(entry)
    evaluator, metric = fields.get("evaluator"), fields.get("metric")
    if not isinstance(evaluator, str) or not isinstance(metric, str):
        raise UserError(f"{path} has no evaluator and metric in results[{index}]: measure the network again")
    value = fields.get("value")
    if value is not None and not isinstance(value, int | float):
        raise UserError(f"{path} has the value {value!r} in results[{index}], not a number: measure the network again")
    return Entry(
        evaluator,
        metric,
        table(fields.get("condition")),
        number(value),
        interval(fields.get("ci95")),
        count(fields.get("n")),
        table(fields.get("details")),
    )


def _epochs(path: Path, warnings: list[str]) -> tuple[Mapping[str, float | str | None], ...]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        rows = []
    except (OSError, ValueError, csv.Error) as error:
        warnings.append(f"{path} is not readable: {error}")
        return ()
    if not rows:
        warnings.append(f"no training curves found in {path.parent}")
    return tuple({key: value if key == "phase" else _cell(value) for key, value in row.items() if key} for row in rows)


def _cell(value: Any) -> float | None:
    try:
        return number(float(value))
    except (TypeError, ValueError):
        return None
