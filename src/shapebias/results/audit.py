"""The list of evaluators that an audit skipped, and why: ``audit.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shapebias.errors import UserError
from shapebias.files import read_json, write_json

SCHEMA = "shapebias/audit/1"
FILE = "audit.json"


@dataclass(frozen=True)
class Skipped:
    """An evaluator that was skipped, for all models or, if ``model`` is given, for that one only.

    ``needs`` states what data the evaluator takes.
    """

    evaluator: str
    reason: str
    needs: str = ""
    model: str = ""


def write_audit(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write the file atomically."""
    missing = [{key: value for key, value in asdict(s).items() if key != "model"} for s in skipped if not s.model]
    refused = [{"evaluator": s.evaluator, "model": s.model, "reason": s.reason} for s in skipped if s.model]
    write_json(path, {"schema": SCHEMA, "missing": missing, "refused": refused})


def read_audit(path: Path) -> list[Skipped]:
    """Read the file; the evaluator of a row that does not name one is "".

    Raises:
        UserError: the file is missing, broken, or of another schema.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise UserError(f"{path} is not an audit file of this version (schema {SCHEMA}): run the audit again")
    found = []
    for kind in ("missing", "refused"):
        rows = value.get(kind)
        for row in rows if isinstance(rows, list) else []:
            fields = row if isinstance(row, dict) else {}
            texts = {name: fields.get(name) for name in ("evaluator", "reason", "needs", "model")}
            if kind == "missing":
                texts["model"] = ""
            found.append(Skipped(**{name: text if isinstance(text, str) else "" for name, text in texts.items()}))
    return found
