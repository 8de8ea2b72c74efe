"""Everything that can be measured on the data there are, and what is missing of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.evaluators.base import EvalResult, Evaluator
from shapebias.evaluators.evaluate import check_networks, measure, settings
from shapebias.evaluators.names import EVALUATORS, check_evaluators
from shapebias.evaluators.resume import load_or_run
from shapebias.files import write_json
from shapebias.models.classifier import Classifier
from shapebias.results.results import Results

SCHEMA = "shapebias/audit/1"
FILE = "audit.json"
COSTLY = ("white-box", "transfer-attack", "corruptions")  # a hundred passes for each image
LIMIT = 1000  # images for these, unless it is said


@dataclass(frozen=True)
class Missing:
    """An evaluator that was not measured at all: why, and what data it takes."""

    evaluator: str
    reason: str
    needs: str


@dataclass(frozen=True)
class Refused:
    """An evaluator that one network could not be measured by, and why."""

    evaluator: str
    model: str
    reason: str


@dataclass(frozen=True)
class Audit:
    """What an audit found, and what it could not."""

    results: list[Results]
    missing: list[Missing]
    refused: list[Refused]


def audit(
    models: Sequence[Classifier],
    *,
    data: Mapping[str, Path],
    out: Path,
    evaluators: Sequence[str] = tuple(EVALUATORS),
    device: str | None = None,
    batch_size: int | None = None,
    **options: Any,
) -> Audit:
    """Measure networks by every evaluator whose data is there; what is not becomes part of the findings.

    Args:
        models: the networks.
        data: folders by evaluator; under "" a folder below which each evaluator finds its own by its usual name.
        out: as for ``evaluate_all``, and ``audit.json``. What an audit into the same folder measured before, with the
            same settings on the same data, is not measured again.
        evaluators: those to try.
        device: as for ``evaluate_all``.
        batch_size: as for ``evaluate_all``.
        options: other fields of ``Setting``; without a ``limit`` attacks and corruptions get 1000 images at most.

    Raises:
        UserError: unknown evaluators, no data at all, or no evaluator that could be measured.
    """
    check_evaluators(evaluators)
    for name, folder in data.items():
        if name and name not in evaluators:
            check_evaluators([name])
            raise UserError(f"--data {name}={folder}: '{name}' is not among --evaluators: add it, or leave this out")
        if not folder.exists():
            raise UserError(f"--data {name + '=' if name else ''}{folder}: there is no such folder")
    check_networks(models, out)
    make = settings(out, device, batch_size, options)
    chosen, missing = _found(evaluators, data, make)
    refused = _refusals(models, chosen)
    pairs = {(r.evaluator, r.model) for r in refused}

    def run(name: str, evaluator: Evaluator, model: Classifier) -> EvalResult | None:
        network = model.identity.name
        if (name, network) in pairs:
            return None
        path = out / network / "audit" / f"{name}.json"
        try:
            return load_or_run(path, evaluator, model)
        except UserError as error:
            if options.get("strict"):
                raise
            refused.append(Refused(name, network, str(error)))
            return None

    results = measure(models, chosen, run, out=out, device=device, seed=options.get("seed", 0))
    found = Audit([result for result in results if result.results], missing, refused)
    lists = {"missing": [asdict(m) for m in missing], "refused": [asdict(r) for r in refused]}
    write_json(out / FILE, {"schema": SCHEMA, **lists})
    if not found.results:
        reasons = [f"{m.evaluator}: {m.reason}" for m in missing] + [f"{r.evaluator}: {r.reason}" for r in refused]
        raise UserError(f"nothing could be measured; {'; '.join(reasons[:3])} ({out / FILE} has all reasons)")
    return found


def _found(names: Sequence[str], data: Mapping[str, Path], make: Any) -> tuple[dict[str, Evaluator], list[Missing]]:
    """The evaluators whose data are there, and the others."""
    evaluators: dict[str, Evaluator] = {}
    missing = []
    for name in names:
        kind = EVALUATORS[name]
        folder = data.get(name) or (kind.find(data[""]) if "" in data else None)
        if folder is None:
            where = f"not found in {data['']}" if "" in data else "no folder was given"
            missing.append(Missing(name, f"{where}: add --data {name}=DIR", kind.needs))
            continue
        setting = make(folder)
        if name in COSTLY and setting.limit is None:
            setting = replace(setting, limit=LIMIT)
        try:
            evaluators[name] = kind(setting)
        except UserError as error:
            missing.append(Missing(name, str(error), kind.needs))
    return evaluators, missing


def _refusals(models: Sequence[Classifier], evaluators: Mapping[str, Evaluator]) -> list[Refused]:
    found = []
    for name, evaluator in evaluators.items():
        for model in models:
            try:
                evaluator.check(model)
            except UserError as error:
                found.append(Refused(name, model.identity.name, str(error)))
    return found
