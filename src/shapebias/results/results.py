"""The results file: one flat list of figures per network, each with its count and interval."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json, write_json

SCHEMA = "shapebias/results/1"
COMPARISON_SCHEMA = "shapebias/comparison/1"
COMPARISON_FILE = "comparison.json"
ResultKey = tuple[str, str, str]  # evaluator, metric, condition as sorted JSON


@dataclass(frozen=True)
class Result:
    """One figure: unique in its file by (evaluator, metric, condition).

    Fractions lie in [0, 1]; ``n`` counts what the figure is over (named in the evaluator's text), ``ci95``
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
        """What the figure is of, for comparing networks."""
        return self.evaluator, self.metric, json.dumps(self.condition, sort_keys=True)


@dataclass
class Results:
    """All figures of one network."""

    model: dict[str, Any]
    environment: dict[str, Any]
    results: list[Result]

    def get(self, evaluator: str, metric: str, **condition: Any) -> Result:
        """The one figure of that evaluator, metric and (if given) condition: of several the one of just this condition.

        Raises:
            KeyError: none or several.
        """
        found = [
            entry
            for entry in self.results
            if (entry.evaluator, entry.metric) == (evaluator, metric) and condition.items() <= entry.condition.items()
        ]
        if len(found) > 1:
            found = [entry for entry in found if entry.condition == condition] or found
        if len(found) != 1:
            raise KeyError(f"{len(found)} figures of {evaluator}/{metric} {condition or ''}".rstrip())
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """The file's content; NaN becomes null.

        Raises:
            ValueError: two figures of one evaluator, metric and condition.
        """
        keys = [entry.key for entry in self.results]
        if len(set(keys)) != len(keys):
            raise ValueError(f"figures given twice: {sorted({key for key in keys if keys.count(key) > 1})}")
        entries = [without_nan(asdict(entry)) for entry in self.results]
        order = ("evaluator", "metric", "condition", "value", "ci95", "n", "details")
        return {
            "schema": SCHEMA,
            "model": without_nan(self.model),
            "environment": self.environment,
            "results": [{key: entry[key] for key in order} for entry in entries],
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
            return cls(model, environment, [_checked(item, f"results[{i}]") for i, item in enumerate(results)])
        except ValueError as error:
            raise UserError(f"{path} is a damaged results file ({error}): evaluate the model again") from error


def _checked(item: Any, place: str) -> Result:
    """The result of a JSON object; NaN and infinity are not defined values.

    Raises:
        ValueError: naming the ``place`` and what is wrong there.
    """
    fields = item if isinstance(item, dict) else {}
    evaluator, metric, value, n = (fields.get(key) for key in ("evaluator", "metric", "value", "n"))
    if not isinstance(evaluator, str) or not isinstance(metric, str):
        raise ValueError(f"no evaluator and metric in {place}")
    if value is not None and not _is_number(value):
        raise ValueError(f"the value {value!r} in {place} is not a number")
    if type(n) is not int:
        raise ValueError(f"the count {n!r} in {place} is not a whole number")
    ends = fields.get("ci95")
    if ends is not None and not (isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends))):
        raise ValueError(f"the interval {ends!r} in {place} is not two numbers")
    condition, details = fields.get("condition"), fields.get("details")
    if not isinstance(condition, dict) or not isinstance(details, dict):
        raise ValueError(f"the condition or the details in {place} are not an object")
    interval = (float(ends[0]), float(ends[1])) if ends and all(map(math.isfinite, ends)) else None
    return Result(evaluator, metric, without_nan(value), n, interval, condition, details)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def write_comparison(path: Path, paired: Sequence[dict[str, Any]], networks: Sequence[Results]) -> None:
    """Write the paired differences of several networks beside their files.

    Rows of an earlier file stay where these do not measure the same again, and both of their networks are those that
    they were: by the SHA-256 of their weights, in the file and now. Rows of networks without one go.
    """
    now = {network.model["name"]: network.model.get("weights_sha256") for network in networks}
    earlier = read_comparison(path)
    then = earlier["weights_sha256"]
    for name in then:
        if name not in now and (file := path.parent / name / "results.json").is_file():
            now[name] = Results.load(file).model.get("weights_sha256")
    same = {name for name, digest in then.items() if digest is not None and now.get(name) == digest}
    measured = {_row_key(row) for row in paired}
    kept = [row for row in earlier["paired"] if {row["a"], row["b"]} <= same and _row_key(row) not in measured]
    names = [network.model["name"] for network in networks]
    names += sorted({row[side] for row in kept for side in ("a", "b")} - set(names))
    content = {"schema": COMPARISON_SCHEMA, "models": names, "weights_sha256": {name: now[name] for name in names}}
    write_json(path, {**content, "paired": without_nan([*kept, *paired])})


def changed(earlier: Sequence[Result], now: Sequence[Result]) -> set[ResultKey]:
    """The earlier figures that are not there any more, or have another value, interval or count."""

    def figure(entry: Result) -> Any:
        return without_nan([entry.value, list(entry.ci95) if entry.ci95 else None, entry.n])

    then, new = ({entry.key: figure(entry) for entry in entries} for entries in (earlier, now))
    return {key for key, value in then.items() if key not in new or new[key] != value}


def drop_rows(path: Path, name: str, keys: Collection[ResultKey]) -> None:
    """Take the differences of a network's figures ``keys`` out of a comparison, if there is one."""
    if not keys or not path.is_file():
        return

    def stale(row: dict[str, Any]) -> bool:
        sides = [row.get(f"condition_{side}", row.get("condition")) for side in ("a", "b") if row[side] == name]
        return any((row["evaluator"], row["metric"], json.dumps(c, sort_keys=True)) in keys for c in sides)

    content = {**read_json(path), "paired": [row for row in read_comparison(path)["paired"] if not stale(row)]}
    write_json(path, content)


def read_comparison(path: Path) -> dict[str, Any]:
    """``{"weights_sha256": {NAME: ...}, "paired": [...]}`` of a comparison, both empty where there is no file.

    Rows without the names of what they compare are left out.

    Raises:
        UserError: broken, or of another schema.
    """
    if not path.is_file():
        return {"weights_sha256": {}, "paired": []}
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != COMPARISON_SCHEMA:
        raise UserError(f"{path} is not a comparison of this version (schema {COMPARISON_SCHEMA}): delete it")
    digests, rows = value.get("weights_sha256", {}), value.get("paired", [])
    if not isinstance(digests, dict) or not isinstance(rows, list):
        raise UserError(f"{path} is a damaged comparison: delete it, and compare again")
    named = [row for row in rows if isinstance(row, dict) and all(isinstance(row.get(k), str) for k in _NAMES)]
    return {"weights_sha256": digests, "paired": named}


_NAMES = ("evaluator", "metric", "a", "b")


def _row_key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row compares, in either order."""
    sides = ((row.get(side), row.get(f"condition_{side}", row.get("condition"))) for side in ("a", "b"))
    return row.get("evaluator"), row.get("metric"), *sorted(json.dumps(side, sort_keys=True) for side in sides)


def without_nan(value: Any) -> Any:
    """``value`` with null for NaN and infinity, as JSON wants it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
