"""Results of a task over all seeds, and differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.evaluators.base import data_details
from shapebias.metrics.functional.average_precision import Kind, mean_ap_draws
from shapebias.models.predict import Predictions
from shapebias.results.comparison import Difference
from shapebias.results.results import Result
from shapebias.stats.bootstrap import paired_difference, percentile_interval
from shapebias.tasks.classification.outputs import KINDS, image_interval, mean_ap, per_class_top1, right
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import Measured, mean_result, paired_rows


def task_results(task: Task, method: str | None, measured: Measured[Predictions], *, seed: int) -> list[Result]:
    """Return top-1 accuracy, or three kinds of mean AP with ``ap`` first; the condition includes ``method``, if any.

    A value is the mean over seeds. Its interval is Student's t if two or more seeds differ; otherwise it is over the
    test images: Wilson's, or the bootstrap's with ``seed``. ``details.interval`` states which.
    """
    return [_result(task, method, measured, kind, seed) for kind in _kinds(task)]


def _kinds(task: Task) -> tuple[Kind | None, ...]:
    return (None,) if task.single else KINDS


def _result(task: Task, method: str | None, measured: Measured[Predictions], kind: Kind | None, seed: int) -> Result:
    test, classes = task.test, len(task.classes)
    per_class, each = [], []
    for own, outputs in measured.outputs.items():
        found = mean_ap(test, outputs, kind) if kind else None
        value = found.value if found else float(right(test, outputs).mean())
        per_class.append(found.per_class if found else per_class_top1(test, outputs, classes))
        each.append({"seed": own, "value": value, "ci95": image_interval(test, outputs, kind, seed)})
    first = next(iter(measured.outputs.values()))
    means = np.mean(per_class, axis=0)
    details: dict[str, Any] = {
        **measured.details,
        "split": {**measured.details.get("split", {}), "train": len(task.train), "test": len(test)},
        "per_category": _per_category(task, first, means),
        "data": data_details(test.root, len(first.rows), test.fingerprint, list(first.unreadable)),
        "notes": list(task.notes),
    }
    if kind:
        details["absent_classes"] = int(np.isnan(means).sum())
    else:
        details["mean_over_classes"] = float(np.nanmean(means))
    by = "bootstrap over test images" if kind else "Wilson's over test images"
    condition = _condition(method, kind)
    return mean_result(task.evaluator, task.metric, each, by, n=len(first.rows), condition=condition, details=details)


def _condition(method: str | None, kind: Kind | None) -> dict[str, Any]:
    return {name: value for name, value in (("method", method), ("kind", kind)) if value is not None}


def _per_category(task: Task, outputs: Predictions, values: np.ndarray) -> dict[str, Any]:
    targets = task.test.targets[outputs.rows]
    counts = np.bincount(targets, minlength=len(values)) if targets.ndim == 1 else (targets == 1).sum(0)
    return {
        name: {"n": int(n), "value": float(value)} for name, n, value in zip(task.classes, counts, values, strict=True)
    }


def differences(
    task: Task, method: str | None, models: Sequence[Measured[Predictions]], *, seed: int
) -> list[Difference]:
    """Return the difference of each pair of models, averaged over seeds, on the test images that all models have.

    Intervals resample the same images for both models; they do not cover the variation between seeds.
    """
    common = sorted(set.intersection(*(set(o.rows.tolist()) for model in models for o in model.outputs.values())))
    if not common:
        return []
    test = task.test.take(common)
    rows = []
    for kind in _kinds(task):

        def difference(one: np.ndarray, other: np.ndarray, kind: Kind | None = kind) -> Any:
            if kind is None:
                return *paired_difference(one, other, seed=seed), len(common)
            value, draws = float(one[0] - other[0]), (one - other)[1:]
            return value, percentile_interval(draws, bias_corrected_for=value, bounds=(-1.0, 1.0)), len(common)

        drawn = {model.name: _values(test, model, common, kind, seed) for model in models}
        rows += paired_rows(task.evaluator, task.metric, _condition(method, kind), drawn, difference)
    return rows


def _values(test: ImageSet, model: Measured[Predictions], rows: list[int], kind: Kind | None, seed: int) -> np.ndarray:
    """Return, averaged over seeds, the correctness of each image (n,), or mean AP followed by its bootstrap draws."""
    of_seeds = []
    for outputs in model.outputs.values():
        place = {row: n for n, row in enumerate(outputs.rows.tolist())}
        values = outputs.values[[place[row] for row in rows]]
        ordered = Predictions(np.arange(len(rows)), values)
        if kind is None:
            of_seeds.append(right(test, ordered).astype(np.float64))
            continue
        drawn = mean_ap_draws(values, test.targets == 1, test.targets >= 0, kind, seed=seed)
        of_seeds.append(np.concatenate([[mean_ap(test, ordered, kind).value], drawn]))
    return np.mean(of_seeds, axis=0)
