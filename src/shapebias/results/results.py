"""The results file: one flat list of results per model, each with its count and interval."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from importlib import import_module
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

    Fractions lie in [0, 1]; ``n`` is the number of items that the result is computed over (images, decisions or pairs,
    depending on the evaluator), ``ci95`` a 95 % interval or None; ``details`` contain further information.
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
        """The key that identifies the result when models are compared."""
        return self.evaluator, self.metric, json.dumps(self.condition, sort_keys=True)


@dataclass(repr=False)
class Results:
    """All results of one model, printed as a table.

    ``earlier`` are the keys of those that an earlier call measured; the file does not record them.
    """

    model: dict[str, Any]
    environment: dict[str, Any]
    results: list[Result]
    earlier: frozenset[ResultKey] = field(default=frozenset(), compare=False)

    def get(self, evaluator: str, metric: str, **condition: Any) -> Result:
        """Return the result of that evaluator and metric whose condition includes ``condition``.

        If several do, the one with exactly this condition is returned.

        Raises:
            KeyError: there is none, or more than one.
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

    def __repr__(self) -> str:
        cells = [("evaluator", "metric", "condition", "value", "95 % interval", "n")]
        for one in self.results:
            ends = "" if one.ci95 is None else f"[{one.ci95[0]:.4f}, {one.ci95[1]:.4f}]"
            condition = ", ".join(f"{name} {value}" for name, value in one.condition.items())
            value = "-" if one.value is None else f"{one.value:.4f}"
            cells.append((one.evaluator, one.metric, condition, value, ends, str(one.n)))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
        return "\n".join([f"results of {self.model['name']}", *rows])

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with a row per result, NaN for what a result does not have.

        Its columns are model, evaluator, metric, value, ci95_low, ci95_high, n, and condition.KEY for every key of the
        conditions. ``details`` are left out.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise UserError("to_pandas needs the library pandas: pip install pandas") from error
        rows = []
        for one in self.results:
            name = {"model": self.model["name"], "evaluator": one.evaluator, "metric": one.metric}
            low, high = one.ci95 or (math.nan, math.nan)
            value = math.nan if one.value is None else one.value
            condition = {f"condition.{key}": given for key, given in one.condition.items()}
            rows.append({**name, "value": value, "ci95_low": low, "ci95_high": high, "n": one.n, **condition})
        return pandas.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file; NaN becomes null.

        Raises:
            ValueError: two results have the same evaluator, metric and condition.
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
        """Write the file atomically."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results file.

        Raises:
            UserError: the file is missing, broken, or of another schema.
        """
        value = read_json(path)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise UserError(f"{path} is not a results file of this version (schema {SCHEMA})")
        model, environment, results = value.get("model"), value.get("environment"), value.get("results")
        try:
            if not isinstance(model, dict):
                raise ValueError("no model.name")
            _check_model(model)
            if not isinstance(environment, dict) or not isinstance(results, list):
                raise ValueError("no environment, or no list of results")
            return cls(model, environment, [read_result(item, f"results[{i}]") for i, item in enumerate(results)])
        except ValueError as error:
            raise UserError(f"{path} is a damaged results file ({error}): evaluate the model again") from error


@dataclass
class EvalResult:
    """The results of an evaluator, and its per-image values for paired comparisons.

    ``per_image[result.key]`` has the shape (n, 1) for a mean over images or (n, 2) for a ratio of sums; its rows
    are in the order of ``images`` (image names).
    """

    results: list[Result]
    images: tuple[str, ...] = ()
    per_image: dict[ResultKey, np.ndarray] = field(default_factory=dict)


def read_result(item: Any, place: str) -> Result:
    """Return the result in a JSON object; NaN and infinity become None.

    Raises:
        ValueError: the object is malformed; the message names the ``place`` and the problem.
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
    data = details.get("data", {})
    if not isinstance(data, dict) or not isinstance(data.get("fingerprint"), str | None):
        raise ValueError(f"details.data in {place} does not say what images were measured")
    if not isinstance(data.get("images"), int | None):
        raise ValueError(f"the number of images in {place} is not a whole number")
    return Result(evaluator, metric, without_nan(value), n, read_interval(ends), condition, details)


def _check_model(model: dict[str, Any]) -> None:
    """Raise ValueError where what is compared and shown of a model is of another type."""
    seeds, classes = model.get("seeds", {}), model.get("classes")
    if not isinstance(model.get("name"), str):
        raise ValueError("no model.name")
    if not isinstance(model.get("weights_sha256"), str | None):
        raise ValueError("model.weights_sha256 is no text")
    if not isinstance(seeds, dict) or not all(isinstance(digest, str) for digest in seeds.values()):
        raise ValueError("model.seeds is not an object of texts")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(one, str) for one in classes)):
        raise ValueError("model.classes is not a list of texts")


def read_interval(ends: Any) -> tuple[float, float] | None:
    """Return an interval with two finite ends, None for anything else."""
    if not isinstance(ends, list) or len(ends) != 2 or not all(is_number(end) and math.isfinite(end) for end in ends):
        return None
    return float(ends[0]), float(ends[1])


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number that a float can hold."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def without_nan(value: Any) -> Any:
    """Return ``value`` with None for NaN and infinity, which JSON does not allow."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
