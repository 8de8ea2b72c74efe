"""Read values from untrusted JSON: a value of another type than expected counts as missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json

Interval = tuple[float, float]


def read_record(path: Path, schema: str | None, warnings: list[str]) -> dict[str, Any] | None:
    """Return the JSON object of a file with that schema; None and a warning for any other file."""
    try:
        record = read_json(path)
    except UserError as error:
        warnings.append(f"{error} (skipped)")
        return None
    if not isinstance(record, dict) or record.get("schema") != schema:
        warnings.append(f"{path} is not a file of this version{f' (schema {schema})' if schema else ''} (skipped)")
        return None
    return record


def number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def count(value: Any) -> int | None:
    """Return a count, or None for anything else."""
    found = number(value)
    return None if found is None else int(found)


def table(value: Any) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return a JSON list, empty for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return a string that is not empty, or None for anything else."""
    return value if isinstance(value, str) and value else None
