"""The commands, versions, seeds, hashes and data of the results; warnings; evaluators that an audit skipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.report.collect import Collection, Measurement, Model
from shapebias.report.format import MISSING, counted, describe, duration, plural
from shapebias.report.pictures import attribution, is_folder
from shapebias.report.sections import Section
from shapebias.report.sections.results import is_single
from shapebias.report.values import count, listing, number, table, text
from shapebias.results.audit import Skipped, read_audit
from shapebias.results.results import Result
from shapebias.results.runs import Run

_LISTED = 20


@dataclass(frozen=True)
class Facts:
    """A titled list of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Origin:
    """One model's training and measurements as recorded."""

    model: Model
    facts: tuple[Facts, ...]


def build(collection: Collection) -> dict[str, Any]:
    """Return the facts of every model, all warnings, and the attributions of pictures and data."""
    collection.warnings.extend(_different_data(collection.models))
    warnings = [*collection.warnings]
    for model in collection.models:
        warnings += [f"{model.name}: {warning}" for warning in dict.fromkeys(_recorded_warnings(model))]
    origins = [Origin(model, tuple(facts for facts in _facts(model) if facts.rows)) for model in collection.models]
    return {"warnings": list(dict.fromkeys(warnings)), "origins": origins, "credits": _credits(collection)}


def build_audit(collection: Collection) -> dict[str, Any] | None:
    """Return the rows of every audit, each once, as ``shapebias audit`` wrote them."""
    rows: dict[Skipped, None] = {}
    for path in collection.audits:
        try:
            skipped = read_audit(path)
        except UserError as error:
            collection.warnings.append(f"{error} (skipped)")
            continue
        if any(not row.evaluator for row in skipped):
            collection.warnings.append(f"{path} holds a row without the name of its evaluator (skipped)")
        rows |= dict.fromkeys(row for row in skipped if row.evaluator)
    return {"rows": list(rows)} if rows else None


def _different_data(models: Sequence[Model]) -> list[str]:
    """Return a warning for every evaluator whose models were measured on different files."""
    prints: dict[tuple[str, str], set[str]] = {}
    for result in (result for model in models for result in model.results):
        fingerprint = table(result.details.get("data")).get("fingerprint")
        if isinstance(fingerprint, str):
            prints.setdefault((result.evaluator, describe(result.condition)), set()).add(fingerprint)
    differing = [key for key, found in sorted(prints.items()) if len(found) > 1]
    many = Counter(evaluator for evaluator, _ in differing)
    named = (name if many[name] > 2 else " ".join(filter(None, (name, condition))) for name, condition in differing)
    return [
        f"the models were measured on different data for {name}: their results are not comparable"
        for name in dict.fromkeys(named)
    ]


def _recorded_warnings(model: Model) -> list[str]:
    """Warnings in the records of a model's training and results, unreadable files among them."""
    warnings: list[str] = []
    if model.run:
        warnings += [str(warning) for warning in listing(model.run.record.get("warnings"))]
        warnings += _unreadable("training data", table(model.run.record.get("data")))
    for result in model.results:
        warnings += _unreadable(f"{result.evaluator} data", table(result.details.get("data")))
        warnings += [f"{result.evaluator}: {own}" for own in [text(result.details.get("warning"))] if own]
    return warnings


def _credits(collection: Collection) -> list[str]:
    """Return the texts of the attribution files beside the pictures shown and the data used."""
    folders = list(collection.picture_folders)
    for model in collection.models:
        records = [table(model.run.record.get("data"))] if model.run else []
        records += [table(result.details.get("data")) for result in model.results]
        folders += [Path(name) for record in records if (name := text(record.get("folder")))]
    texts = (attribution(folder) for folder in dict.fromkeys(folders) if is_folder(folder))
    return list(dict.fromkeys(found for found in texts if found))


def _facts(model: Model) -> list[Facts]:
    training = _training(model.run) if model.run else []
    return [*training, *(facts for measurement in model.measurements for facts in _measuring(measurement))]


def _training(run: Run) -> list[Facts]:
    record = run.record
    rows = [
        ("scheme", _shown(record.get("scheme"))),
        ("model", _shown(record.get("model"))),
        ("seed", _shown(record.get("seed"))),
        ("classes", _shown(record.get("classes"))),
        ("time", duration(number(record.get("seconds")))),
        ("images seen", counted(number(record.get("images_seen")))),
        ("weights, SHA-256", _shown(record.get("weights_sha256") or "unfinished")),
        *_data(table(record.get("data"))),
        ("folder", str(run.folder)),
    ]
    return [
        Facts("Training", _present(rows)),
        Facts("Settings of the training", _all(table(record.get("config")))),
        Facts("Versions at training", _all(table(record.get("environment")))),
    ]


def _measuring(measurement: Measurement) -> list[Facts]:
    model = measurement.content.model
    keys = ("spec", "architecture", "weights", "scheme", "input_size")
    rows = [(key.replace("_", " "), _shown(model.get(key))) for key in keys]
    rows.append(("parameters", counted(number(model.get("parameters")))))
    rows.append(("classes", _shown(model.get("classes"))))
    rows.append(("weights, SHA-256", _shown(measurement.weights)))
    rows.append(("file", str(measurement.path)))
    facts = [Facts("Measured model", _present(rows)), Facts("Measured with", _all(measurement.content.environment))]
    alike: dict[str, list[Result]] = {}
    for result in measurement.results:
        single = is_single(result.condition)
        condition = f" ({describe(result.condition)})" if result.condition and not single else ""
        title = f"{result.evaluator}, {result.metric}{condition}" + (", one by one" if single else "")
        alike.setdefault(title, []).append(result)
    for title, results in alike.items():
        rows = [_details(result) for result in results]
        shared = [row for row in rows[0] if all(row in others for others in rows[1:])]
        facts.append(Facts(title if len(rows) == 1 else f"{title}: {len(rows)} results", _present(shared)))
    return facts


def _details(result: Result) -> list[tuple[str, str]]:
    details = [
        (key.replace("_", " "), _shown(value))
        for key, value in sorted(result.details.items())
        if key not in ("data", "per_category", "scores", "examples")
    ]
    return [*_data(table(result.details.get("data"))), *details]


def _data(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("data folder", _shown(data.get("folder"))), ("images", counted(count(data.get("images"))))]
    rows.append(("data fingerprint", _shown(data.get("fingerprint"))))
    if unreadable := listing(data.get("unreadable")):
        rows.append(("unreadable files", _several(unreadable)))
    return rows


def _unreadable(name: str, data: Mapping[str, Any]) -> list[str]:
    files = listing(data.get("unreadable"))
    return [f"{plural(len(files), 'file')} of the {name} could not be read and was skipped"] if files else []


def _several(items: list[Any]) -> str:
    shown = ", ".join(map(_shown, items[:_LISTED]))
    return f"{shown} and {len(items) - _LISTED} more" if len(items) > _LISTED else shown


def _all(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _shown(values[key])) for key in sorted(values))


def _present(rows: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(row for row in rows if row[1] != MISSING)


def _shown(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return f"{len(value)}: {_several(value)}" if value else MISSING
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


AUDIT = Section("Not measured", "audit.html", build_audit)
PROVENANCE = Section("Provenance", "provenance.html", build)
