"""Results of a task over all seeds, and differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.evaluators.base import data_details
from shapebias.metrics.functional.average_precision import Kind, mean_ap_draws
from shapebias.models.predict import Predictions
from shapebias.results.comparison import Difference
from shapebias.results.results import Result
from shapebias.stats.bootstrap import paired_difference, percentile_interval
from shapebias.stats.intervals import Interval, wilson
from shapebias.tasks.classification.outputs import KINDS, mean_ap, per_class_top1, right
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import Compared, Measured, mean_result, paired_rows


def task_results(task: Task, method: str | None, measured: Measured[Predictions], *, seed: int) -> list[Result]:
    """Return top-1 accuracy, or three kinds of mean AP with ``ap`` first; the condition includes ``method``, if any.

    A value is the mean over seeds, on the test images that all of them have. Its interval is over seeds and images, or
    over images if there is one seed: Wilson's, or the bootstrap's with ``seed``. ``details.interval`` states which.
    """
    return [_result(task, method, measured, kind, seed) for kind in _kinds(task)]


def _kinds(task: Task) -> tuple[Kind | None, ...]:
    return (None,) if task.single else KINDS


def _result(task: Task, method: str | None, measured: Measured[Predictions], kind: Kind | None, seed: int) -> Result:
    rows = _shared_rows([measured])
    test, classes = task.test.take(rows), len(task.classes)
    found = _seed_scores(test, measured, rows, kind, seed)
    each = [
        {"seed": own, "value": value, "ci95": _interval(value, samples, kind)}
        for own, value, samples in zip(measured.outputs, found.values, found.samples[:, None], strict=True)
    ]
    first = next(iter(measured.outputs.values()))
    means = np.mean(found.per_class(classes, kind), axis=0)
    details: dict[str, Any] = {
        **measured.details,
        "split": {**measured.details.get("split", {}), "train": len(task.train), "test": len(task.test)},
        "per_category": _per_category(task, test, means),
        "data": data_details(task.test.root, len(rows), task.test.fingerprint, list(first.unreadable)),
        "notes": list(task.notes),
    }
    if kind:
        details["absent_classes"] = int(np.isnan(means).sum())
    else:
        details["mean_over_classes"] = float(np.nanmean(means))
    by = "bootstrap over test images" if kind else "Wilson's over test images"
    over_images = _interval(float(np.mean(found.values)), found.samples, kind)
    fields = {"n": len(rows), "condition": _condition(method, kind), "details": details}
    return mean_result(task.evaluator, task.metric, each, over_images, by, **fields)


def _condition(method: str | None, kind: Kind | None) -> dict[str, Any]:
    return {name: value for name, value in (("method", method), ("kind", kind)) if value is not None}


def _per_category(task: Task, test: ImageSet, values: np.ndarray) -> dict[str, Any]:
    targets = test.targets
    counts = np.bincount(targets, minlength=len(values)) if targets.ndim == 1 else (targets == 1).sum(0)
    return {
        name: {"n": int(n), "value": float(value)} for name, n, value in zip(task.classes, counts, values, strict=True)
    }


def differences(
    task: Task, method: str | None, models: Sequence[Measured[Predictions]], *, seed: int
) -> list[Difference]:
    """Return the difference of each pair of models, averaged over seeds, on the test images that all models have.

    Over images, intervals resample the same ones for both models and all seeds.
    """
    common = _shared_rows(models)
    if not common:
        return []
    test = task.test.take(common)
    rows = []
    for kind in _kinds(task):

        def compare(one: _SeedScores, other: _SeedScores, kind: Kind | None = kind) -> Compared:
            a, b = one.samples.mean(0), other.samples.mean(0)
            if kind is None:
                interval = paired_difference(a, b, seed=seed)[1]
            else:
                value = float(np.mean(one.values) - np.mean(other.values))
                interval = percentile_interval(a - b, bias_corrected_for=value, bounds=(-1.0, 1.0))
            return Compared(one.values, other.values, interval, len(common))

        scores = {model.name: _seed_scores(test, model, common, kind, seed) for model in models}
        rows += paired_rows(task.evaluator, task.metric, _condition(method, kind), scores, compare)
    return rows


def _shared_rows(models: Sequence[Measured[Predictions]]) -> list[int]:
    """Return the test images that every seed of every model has an output for."""
    return sorted(set.intersection(*(set(o.rows.tolist()) for model in models for o in model.outputs.values())))


class _SeedScores(NamedTuple):
    """Of each seed: the value, and the correctness of each image (seeds, n) or mean AP of resamples (seeds, draws)."""

    images: ImageSet
    outputs: list[Predictions]
    values: list[float]
    samples: np.ndarray

    def per_class(self, classes: int, kind: Kind | None) -> list[np.ndarray]:
        """Return the metric of each class (classes,) for each seed; NaN for absent ones."""
        if kind is None:
            return [per_class_top1(self.images, outputs, classes) for outputs in self.outputs]
        return [mean_ap(self.images, outputs, kind).per_class for outputs in self.outputs]


def _seed_scores(
    test: ImageSet, model: Measured[Predictions], rows: Sequence[int], kind: Kind | None, seed: int
) -> _SeedScores:
    """Return the scores of a model's seeds on the images ``test``, which have the numbers ``rows``."""
    outputs, values, samples = [], [], []
    for given in model.outputs.values():
        place = {row: n for n, row in enumerate(given.rows.tolist())}
        outputs.append(Predictions(np.arange(len(rows)), given.values[[place[row] for row in rows]]))
        if kind is None:
            samples.append(right(test, outputs[-1]).astype(np.float64))
            values.append(float(samples[-1].mean()))
        else:
            samples.append(mean_ap_draws(outputs[-1].values, test.targets == 1, test.targets >= 0, kind, seed=seed))
            values.append(mean_ap(test, outputs[-1], kind).value)
    return _SeedScores(test, outputs, values, np.stack(samples))


def _interval(value: float, samples: np.ndarray, kind: Kind | None) -> Interval | None:
    """Return the interval over images of a mean over seeds, of ``samples`` as in ``_SeedScores``.

    Of top-1 accuracy it is Wilson's over the number of images that single answers would need for the same variance.
    """
    mean = samples.mean(0)
    if kind is not None:
        return percentile_interval(mean, bias_corrected_for=value, bounds=(0.0, 1.0))
    n, variance = len(mean), float(mean.var())
    if len(samples) > 1 and variance > 0:
        n = min(samples.size, n * value * (1 - value) / variance)
    return wilson(n * value, n)
