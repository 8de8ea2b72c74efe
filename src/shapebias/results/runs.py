"""The record of a training run in its folder: ``run.json`` and ``metrics.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json

SCHEMA = "shapebias/run/1"
_TYPES: dict[str, Any] = {
    **{"name": str, "weights_sha256": str | None, "initial_weights_sha256": str, "seconds": int | float | None},
    **{"config": dict, "inputs": dict, "environment": dict, "data": dict, "images_seen": int, "warnings": list},
}
RUN_FILE, METRICS_FILE = "run.json", "metrics.csv"


@dataclass(frozen=True)
class Run:
    """One training run: the content of its ``run.json``."""

    folder: Path
    name: str
    record: Mapping[str, Any]

    @property
    def weights(self) -> str | None:
        """SHA-256 of the trained weights, None while the run is unfinished."""
        digest = self.record.get("weights_sha256")
        return digest if isinstance(digest, str) and digest else None

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Read the ``run.json`` of a folder.

        Raises:
            UserError: the file is missing, broken, or of another schema.
        """
        path = folder / RUN_FILE
        record = read_json(path)
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise UserError(f"{path} is not a training record of this version (schema {SCHEMA}): train again")
        for name, kind in _TYPES.items():
            if (name == "name" or name in record) and not isinstance(record.get(name), kind):
                raise UserError(f"{path} is damaged (its {name} is {str(record.get(name))[:40]}): train again")
        return cls(folder, record["name"], record)

    def finished(self, *needed: str) -> dict[str, Any]:
        """Return the record of a finished run.

        Raises:
            UserError: it is not finished, or lacks one of ``needed``.
        """
        for name in ("weights_sha256", "environment", *needed):
            if self.record.get(name) is None:
                path = self.folder / RUN_FILE
                raise UserError(f"{path} is damaged (no {name}): delete {self.folder} to train it again")
        return dict(self.record)

    def epochs(self) -> list[dict[str, float | str | None]]:
        """Return the rows of ``metrics.csv``, with None for values that are not finite; empty without the file.

        Raises:
            UserError: the file is not readable as CSV.
        """
        path = self.folder / METRICS_FILE
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return []
        except (OSError, ValueError, csv.Error) as error:
            raise UserError(f"{path} is not readable as CSV: {error}") from error
        return [{key: value if key == "phase" else _finite(value) for key, value in row.items() if key} for row in rows]


def _finite(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
