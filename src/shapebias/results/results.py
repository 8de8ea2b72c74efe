"""The results file: one flat list of results per model, each with its count and interval."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import UserError
from shapebias.files import read_json, write_json

SCHEMA = "shapebias/results/1"
ResultKey = tuple[str, str, str]  # evaluator, metric, condition as sorted JSON


@dataclass(frozen=True)
class Result:
    """One result: unique in its file by (evaluator, metric, condition).

    Fractions lie in [0, 1]; ``n`` counts what the result is over (named in the evaluator's text), ``ci95``
    is a 95 % interval or None; ``details`` hold what else a reader may want.
    """

    evaluator: str
    metric: str
    value: float | None
    n: int
    ci95: tuple[float, float] | None = None
    condition: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> ResultKey:
        """The identity of the result, for comparing models."""
        return self.evaluator, self.metric, json.dumps(self.condition, sort_keys=True)


@dataclass
class Results:
    """All results of one model."""

    model: dict[str, Any]
    environment: dict[str, Any]
    results: list[Result]

    def get(self, evaluator: str, metric: str, **condition: Any) -> Result:
        """The one result of that evaluator, metric and (if given) condition: of several the one of just this condition.

        Raises:
            KeyError: none or several.
        """
        found = [
            result
            for result in self.results
            if result.key[:2] == (evaluator, metric) and condition.items() <= result.condition.items()
        ]
        if len(found) > 1:
            found = [result for result in found if result.condition == condition] or found
        if len(found) != 1:
            raise KeyError(f"{len(found)} results of {evaluator}/{metric} {condition or ''}".rstrip())
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """The file's content; NaN becomes null.

        Raises:
            ValueError: two results of one evaluator, metric and condition.
        """
        keys = [result.key for result in self.results]
        if len(set(keys)) != len(keys):
            raise ValueError(f"results given twice: {sorted({key for key in keys if keys.count(key) > 1})}")
        rows = [without_nan(asdict(result)) for result in self.results]
        order = ("evaluator", "metric", "condition", "value", "ci95", "n", "details")
        return {
            "schema": SCHEMA,
            "model": without_nan(self.model),
            "environment": self.environment,
            "results": [{key: result[key] for key in order} for result in rows],
        }

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results file.

        Raises:
            UserError: not there, broken, or of another schema.
        """
        value = read_json(path)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise UserError(f"{path} is not a results file of this version (schema {SCHEMA})")
        model, environment, results = value.get("model"), value.get("environment"), value.get("results")
        try:
            if not isinstance(model, dict) or not isinstance(model.get("name"), str):
                raise ValueError("no model.name")
            if not isinstance(environment, dict) or not isinstance(results, list):
                raise ValueError("no environment, or no list of results")
            return cls(model, environment, [read_result(item, f"results[{i}]") for i, item in enumerate(results)])
        except ValueError as error:
            raise UserError(f"{path} is a damaged results file ({error}): evaluate the model again") from error


@dataclass
class EvalResult:
    """The results that an evaluator gives, and per-image values (by image name) for paired comparisons.

    ``per_image[result.key]`` is (n, 1) for a mean over images or (n, 2) for a ratio of sums, rows in the
    order of ``images``.
    """

    results: list[Result]
    images: tuple[str, ...] = ()
    per_image: dict[ResultKey, np.ndarray] = field(default_factory=dict)


def read_result(item: Any, place: str) -> Result:
    """The result of a JSON object; NaN and infinity are not defined values.

    Raises:
        ValueError: naming the ``place`` and what is wrong there.
    """
    fields = item if isinstance(item, dict) else {}
    evaluator, metric, value, n = (fields.get(key) for key in ("evaluator", "metric", "value", "n"))
    if not isinstance(evaluator, str) or not isinstance(metric, str):
        raise ValueError(f"no evaluator and metric in {place}")
    if value is not None and not is_number(value):
        raise ValueError(f"the value {value!r} in {place} is not a number")
    if type(n) is not int:
        raise ValueError(f"the count {n!r} in {place} is not a whole number")
    ends = fields.get("ci95")
    if ends is not None and not (isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends))):
        raise ValueError(f"the interval {ends!r} in {place} is not two numbers")
    condition, details = fields.get("condition"), fields.get("details")
    if not isinstance(condition, dict) or not isinstance(details, dict):
        raise ValueError(f"the condition or the details in {place} are not an object")
    return Result(evaluator, metric, without_nan(value), n, read_interval(ends), condition, details)


def read_interval(ends: Any) -> tuple[float, float] | None:
    """Two finite ends, None for anything else."""
    if not isinstance(ends, list) or len(ends) != 2 or not all(is_number(end) and math.isfinite(end) for end in ends):
        return None
    return float(ends[0]), float(ends[1])


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number that a float can hold."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def without_nan(value: Any) -> Any:
    """``value`` with null for NaN and infinity, as JSON wants it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
