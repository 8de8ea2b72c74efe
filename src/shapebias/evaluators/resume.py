"""An evaluator's outcome as a file, so that a measurement that goes on does not begin with it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import UserError
from shapebias.evaluators.base import EvalResult, Evaluator
from shapebias.files import read_json, write_json
from shapebias.models.classifier import Classifier
from shapebias.results.results import Result, without_nan

_APART = ("data", "out", "batch_size", "device", "workers", "source")  # not in a key, or not as they are


def load_or_run(path: Path, evaluator: Evaluator, model: Classifier) -> EvalResult:
    """What ``evaluator`` measures of ``model``, from the file at ``path`` where it holds just that, else measured now.

    Of a callable's network nothing is taken from a file: its code could have changed.
    """
    kind, sign, _ = model.identity.spec.partition(":")
    key = _key(evaluator, model)
    found = load_result(path, key) if not sign or kind in ("timm", "torchvision") else None
    if found is None:
        found = evaluator.run(model)
        save_result(path, key, found)
    return found


def _key(evaluator: Evaluator, model: Classifier) -> dict[str, Any]:
    """All that an outcome depends on, as JSON."""
    setting = evaluator.setting
    chosen = {f.name: getattr(setting, f.name) for f in fields(setting) if f.name not in _APART}
    return {
        "evaluator": evaluator.name,
        "version": version("shapebias"),
        "data": evaluator.fingerprint,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()},
        "source": setting.source.cache_key() if setting.source else None,
        "model": model.cache_key(),
    }


def save_result(path: Path, key: Mapping[str, Any], outcome: EvalResult) -> None:
    """Write ``outcome`` with the ``key`` of all that it depends on; NaN becomes null."""
    values = [{"of": list(of), "values": rows.tolist()} for of, rows in outcome.per_image.items()]
    entries = [asdict(entry) for entry in outcome.results]
    content = {"key": key, "results": entries, "images": list(outcome.images), "per_image": values}
    write_json(path, without_nan(content))


def load_result(path: Path, key: Mapping[str, Any]) -> EvalResult | None:
    """The outcome in ``path`` if it was measured under the same ``key``; None otherwise, or where it is damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if content["key"] != json.loads(json.dumps(key)):
            return None
        entries = [Result(**{**entry, "ci95": entry["ci95"] and tuple(entry["ci95"])}) for entry in content["results"]]
        found = {tuple(row["of"]): np.array(row["values"], dtype=np.float64) for row in content["per_image"]}
        return EvalResult(entries, tuple(content["images"]), found)
    except (UserError, KeyError, TypeError, ValueError):
        return None
