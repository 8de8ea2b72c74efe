"""An evaluator's outcome as a file, so that an audit that goes on does not measure it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import UserError
from shapebias.files import read_json, write_json
from shapebias.measure.contract import Outcome
from shapebias.measure.results import Entry, without_nan


def save_outcome(path: Path, key: Mapping[str, Any], outcome: Outcome) -> None:
    """Write ``outcome`` with the ``key`` of all that it depends on; NaN becomes null."""
    values = [{"of": list(of), "values": rows.tolist()} for of, rows in outcome.per_image.items()]
    entries = [asdict(entry) for entry in outcome.entries]
    content = {"key": key, "entries": entries, "images": list(outcome.images), "per_image": values}
    write_json(path, without_nan(content))


def load_outcome(path: Path, key: Mapping[str, Any]) -> Outcome | None:
    """The outcome in ``path`` if it was measured under the same ``key``; None otherwise, or where it is damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if content["key"] != json.loads(json.dumps(key)):
            return None
        entries = [Entry(**{**entry, "ci95": entry["ci95"] and tuple(entry["ci95"])}) for entry in content["entries"]]
        found = {tuple(row["of"]): np.array(row["values"], dtype=np.float64) for row in content["per_image"]}
        return Outcome(entries, tuple(content["images"]), found)
    except (UserError, KeyError, TypeError, ValueError):
        return None
