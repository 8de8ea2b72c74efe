"""Results of an evaluator as a file, so that a killed evaluation resumes behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import UserError
from shapebias.evaluators.base import Evaluator
from shapebias.files import locked, read_json, write_json
from shapebias.models.classifier import Classifier
from shapebias.results.results import EvalResult, read_result, without_nan

_NOT_IN_KEY = ("data", "out", "batch_size", "device", "workers", "source", "holdouts")  # or not as they are


def load_or_run(path: Path, evaluator: Evaluator, model: Classifier) -> EvalResult:
    """Return what ``evaluator`` gives for ``model``: from the file at ``path`` where it holds just that, else run now.

    Nothing is taken from a file for the model of a callable: its code could have changed. Another process that runs the
    same evaluator for a model of that name in that folder is waited for.
    """
    kind, sign, _ = model.identity.spec.partition(":")
    key = _key(evaluator, model)
    with locked(path.parent.parent, evaluator.name, wait=True):
        found = load_result(path, key) if not sign or kind in ("timm", "torchvision") else None
        if found is None:
            found = evaluator.run(model)
            save_result(path, key, found)
    return found


def save_result(path: Path, key: Mapping[str, Any], given: EvalResult) -> None:
    """Write what an evaluator gave with the ``key`` of all that it depends on; NaN becomes null."""
    values = [{"of": list(of), "values": rows.tolist()} for of, rows in given.per_image.items()]
    results = [asdict(result) for result in given.results]
    content = {"key": key, "results": results, "images": list(given.images), "per_image": values}
    write_json(path, without_nan(content))


def load_result(path: Path, key: Mapping[str, Any]) -> EvalResult | None:
    """Return what was kept in ``path`` under the same ``key``; None otherwise, or where it is damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if content["key"] != json.loads(json.dumps(key)):
            return None
        results = [read_result(item, f"results[{number}]") for number, item in enumerate(content["results"])]
        found = {tuple(row["of"]): np.array(row["values"], dtype=np.float64) for row in content["per_image"]}
        images = tuple(map(str, content["images"]))
        if any(rows.ndim != 2 or len(rows) != len(images) for rows in found.values()):
            return None
        return EvalResult(results, images, found)
    except (UserError, KeyError, TypeError, ValueError):
        return None


def _key(evaluator: Evaluator, model: Classifier) -> dict[str, Any]:
    """All that an evaluator's results depend on, as JSON."""
    config = evaluator.config
    told = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in _NOT_IN_KEY}
    return {
        "evaluator": evaluator.name,
        "version": version("shapebias"),
        "data": evaluator.fingerprint,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in told.items()},
        "source": config.source.cache_key() if config.source else None,
        "model": model.cache_key(),
    }
