"""The results file: one flat list of figures per network, each with its count and interval."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json, write_json

SCHEMA = "shapebias/results/1"
COMPARISON_SCHEMA = "shapebias/comparison/1"


@dataclass(frozen=True)
class Entry:
    """One figure: unique in its file by (benchmark, metric, condition).

    Fractions lie in [0, 1]; ``n`` counts what the figure is over (named in the evaluator's text), ``ci95``
    is a 95 % interval or None; ``details`` hold what else a reader may want.
    """

    benchmark: str
    metric: str
    value: float | None
    n: int
    ci95: tuple[float, float] | None = None
    condition: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What the figure is of, for comparing networks."""
        return self.benchmark, self.metric, json.dumps(self.condition, sort_keys=True)


@dataclass
class Results:
    """All figures of one network."""

    model: dict[str, Any]
    environment: dict[str, Any]
    results: list[Entry]

    def get(self, benchmark: str, metric: str, **condition: Any) -> Entry:
        """The one figure of that benchmark, metric and (if given) condition.

        Raises:
            KeyError: none or several.
        """
        found = [
            entry
            for entry in self.results
            if (entry.benchmark, entry.metric) == (benchmark, metric) and condition.items() <= entry.condition.items()
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} figures of {benchmark}/{metric} {condition or ''}".rstrip())
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """The file's content; NaN becomes null.

        Raises:
            ValueError: two figures of one benchmark, metric and condition.
        """
        keys = [entry.key for entry in self.results]
        if len(set(keys)) != len(keys):
            raise ValueError(f"figures given twice: {sorted({key for key in keys if keys.count(key) > 1})}")
        entries = [_without_nan(asdict(entry)) for entry in self.results]
        order = ("benchmark", "metric", "condition", "value", "ci95", "n", "details")
        return {
            "schema": SCHEMA,
            "model": _without_nan(self.model),
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
        try:
            entries = [Entry(**{**entry, "ci95": entry["ci95"] and tuple(entry["ci95"])}) for entry in value["results"]]
            return cls(value["model"], value["environment"], entries)
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is a damaged results file ({type(error).__name__}: {error})") from error


def write_comparison(path: Path, paired: Sequence[dict[str, Any]], networks: Sequence[Results]) -> None:
    """Write the paired differences of several networks beside their files."""
    names = [network.model["name"] for network in networks]
    write_json(path, {"schema": COMPARISON_SCHEMA, "models": names, "paired": _without_nan(list(paired))})


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
