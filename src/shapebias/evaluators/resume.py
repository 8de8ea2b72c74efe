"""Results of an evaluator as a file, so that a killed evaluation resumes behind it."""

from __future__ import annotations

import json
import sys
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
from shapebias.results.results import EvalResult, ResultKey, read_result, without_nan

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
    """Write what an evaluator gave with the ``key`` of all that it depends on; NaN becomes null.

    Per-image values are written by column, which takes a tenth of the time of a list per image.
    """
    values = [{"of": list(of), "columns": _columns(rows)} for of, rows in given.per_image.items()]
    head = without_nan({"key": key, "results": [asdict(result) for result in given.results]})
    write_json(path, {**head, "images": list(given.images), "per_image": values}, indent=None)


def load_result(path: Path, key: Mapping[str, Any]) -> EvalResult | None:
    """Return what was kept in ``path`` under the same ``key``; None otherwise, or with a warning if it is damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if content["key"] != json.loads(json.dumps(key)):
            return None
        results = [read_result(item, f"results[{number}]") for number, item in enumerate(content["results"])]
        images = content["images"]
        if not _are(images, {str}):
            raise ValueError("images are not a list of names")
        found = {_result_key(row["of"]): _rows(row, len(images)) for row in content["per_image"]}
        return EvalResult(results, tuple(images), found)
    except (UserError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        print(f"warning: {path} is damaged: its evaluator measures again", file=sys.stderr)
        return None


def _columns(rows: np.ndarray) -> list[list[float | None]]:
    """Return the columns of (n, k) values, with None for NaN and infinity."""
    columns = rows.T.tolist()
    return columns if np.isfinite(rows).all() else without_nan(columns)


def _rows(row: dict[str, Any], count: int) -> np.ndarray:
    """Return the (``count``, 1 or 2) values of a result, NaN for null; ``values`` are rows, as once written.

    Raises:
        ValueError: they are not as many finite numbers.
    """
    old = "columns" not in row
    lines = row["values" if old else "columns"]
    if not all(_are(line, {float, int, type(None)}) for line in lines):
        raise ValueError("values are no numbers")
    found = np.array(lines, dtype=np.float64)
    found = found if old else found.T
    if found.shape not in ((count, 1), (count, 2)) or np.isinf(found).any():
        raise ValueError(f"values of the shape {found.shape} of {count} images, or infinite")
    return found


def _result_key(given: Any) -> ResultKey:
    """Return a result's key; raise ValueError where it is none."""
    if not _are(given, {str}) or len(given) != 3 or not isinstance(json.loads(given[2]), dict):
        raise ValueError(f"{given} is not the key of a result")
    evaluator, metric, condition = given
    return evaluator, metric, condition


def _are(given: Any, kinds: set[type]) -> bool:
    """Return whether ``given`` is a list of values of these types alone."""
    return isinstance(given, list) and set(map(type, given)) <= kinds


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
