"""What could not be measured and why, as ``shapebias audit`` wrote it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapebias.errors import UserError
from shapebias.report.records import listing, read_record, table, text

FILE, SCHEMA = "audit.json", "shapebias/audit/1"


@dataclass(frozen=True)
class Unmeasured:
    """An evaluator that was not measured, for all networks or (refused) for one."""

    evaluator: str
    network: str
    reason: str
    needs: str


def read_audits(paths: Sequence[Path], warnings: list[str]) -> tuple[Unmeasured, ...]:
    """The rows of every audit, each once; another file of that name is only a warning."""
    rows: dict[Unmeasured, None] = {}
    for path in sorted({path.resolve(): path for path in paths}.values()):
        if not path.is_file():
            continue
        try:
            record = read_record(path, SCHEMA, "audit the networks again")
        except UserError as error:
            warnings.append(f"{error} (left out)")
            continue
        for kind in ("missing", "refused"):
            for item in map(table, listing(record.get(kind))):
                evaluator, network, reason, needs = (
                    text(item.get(k)) for k in ("evaluator", "model", "reason", "needs")
                )
                if evaluator is None:
                    warnings.append(f"{path} holds a row without the name of its evaluator (left out)")
                    continue
                of_one = network or "" if kind == "refused" else ""
                rows[Unmeasured(evaluator, of_one, reason or "", needs or "")] = None
    return tuple(rows)
