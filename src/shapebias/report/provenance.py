"""How the numbers were made: everything the records say about commands, versions, seeds, hashes and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shapebias.report.collect import Network
from shapebias.report.format import MISSING, counted, duration, plural
from shapebias.report.records import Entry, Measurement, Run, count, describe, listing, number, table, text
from shapebias.report.tables import is_single

_LISTED = 20


@dataclass(frozen=True)
class Facts:
    """A titled list of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Origin:
    """How one network came to be and how it was measured."""

    network: Network
    facts: tuple[Facts, ...]
    warnings: tuple[str, ...]


def origin(network: Network) -> Origin:
    """Everything the records say about one network."""
    facts: list[Facts] = []
    warnings: list[str] = []
    if network.run:
        facts += _training(network.run)
        warnings += [str(w) for w in listing(network.run.record.get("warnings"))]
        warnings += _unreadable("training data", table(network.run.record.get("data")))
    for measurement in network.measurements:
        facts += _measuring(measurement)
        for entry in measurement.entries:
            warnings += _unreadable(f"{entry.evaluator} data", table(entry.details.get("data")))
            warnings += [f"{entry.evaluator}: {w}" for w in [text(entry.details.get("warning"))] if w]
    return Origin(network, tuple(f for f in facts if f.rows), tuple(dict.fromkeys(warnings)))


def _training(run: Run) -> list[Facts]:
    record = run.record
    rows = [
        ("scheme", _shown(record.get("scheme"))),
        ("network", _shown(record.get("model"))),
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
    model = measurement.model
    keys = ("spec", "architecture", "scheme", "input_size")
    rows = [(key.replace("_", " "), _shown(model.get(key))) for key in keys]
    rows.append(("parameters", counted(number(model.get("parameters")))))
    rows.append(("classes", _shown(model.get("classes"))))
    rows.append(("weights, SHA-256", _shown(measurement.weights)))
    rows.append(("file", str(measurement.path)))
    facts = [Facts("Measured network", _present(rows)), Facts("Measured with", _all(measurement.environment))]
    alike: dict[str, list[Entry]] = {}
    for entry in measurement.entries:
        single = is_single(entry.condition)
        what = f" ({describe(entry.condition)})" if entry.condition and not single else ""
        title = f"{entry.evaluator}, {entry.metric}{what}" + (", one by one" if single else "")
        alike.setdefault(title, []).append(entry)
    for title, entries in alike.items():
        rows = [_details(entry) for entry in entries]
        shared = [row for row in rows[0] if all(row in others for others in rows[1:])]
        facts.append(Facts(title if len(rows) == 1 else f"{title}: {len(rows)} numbers", _present(shared)))
    return facts


def _details(entry: Entry) -> list[tuple[str, str]]:
    details = [
        (key.replace("_", " "), _shown(value))
        for key, value in sorted(entry.details.items())
        if key not in ("data", "per_category", "scores", "examples")
    ]
    return [*_data(table(entry.details.get("data"))), *details]


def _data(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("data folder", _shown(data.get("folder"))), ("images", counted(count(data.get("images"))))]
    rows.append(("data fingerprint", _shown(data.get("fingerprint"))))
    if unreadable := listing(data.get("unreadable")):
        rows.append(("unreadable files", _several(unreadable)))
    return rows


def _unreadable(what: str, data: Mapping[str, Any]) -> list[str]:
    files = listing(data.get("unreadable"))
    return [f"{plural(len(files), 'file')} of the {what} could not be read and was left out"] if files else []


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
