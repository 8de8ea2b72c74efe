"""Figures of a task from the answers of every seed, and the differences of two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.evaluators.base import data_details
from shapebias.metrics.functional.average_precision import Kind, mean_ap_draws
from shapebias.models.predict import Predictions
from shapebias.results.results import Result
from shapebias.stats.bootstrap import paired_difference, percentile_interval
from shapebias.stats.seeds import seed_interval
from shapebias.tasks.classification.score import KINDS, image_interval, mean_ap, per_class_top1, right
from shapebias.tasks.classification.task import Task


@dataclass(frozen=True, eq=False)
class Measured:
    """A network's answers on the test images, by seed; by None where no seed has a say, as in the read-outs."""

    name: str
    answers: Mapping[int | None, Predictions]
    details: dict[str, Any]


def entries(task: Task, method: str | None, measured: Measured, *, seed: int) -> list[Result]:
    """Top-1, or the three kinds of mean AP with ``ap`` first; ``method`` stands in their condition, if there is one.

    A figure is the mean over seeds; with two or more its interval is Student's t of that mean, else (or where they give
    the same) over the test images: Wilson's, or the bootstrap's by ``seed``. ``details.interval`` says which.
    """
    kinds: tuple[Kind | None, ...] = (None,) if task.kind == "single" else KINDS
    return [_entry(task, method, measured, kind, seed) for kind in kinds]


def _entry(task: Task, method: str | None, measured: Measured, kind: Kind | None, seed: int) -> Result:
    test, classes = task.test, len(task.classes)
    values, per_class, each = [], [], []
    for own, answers in measured.answers.items():
        found = mean_ap(test, answers, kind) if kind else None
        values.append(found.value if found else float(right(test, answers).mean()))
        per_class.append(found.per_class if found else per_class_top1(test, answers, classes))
        each.append({"seed": own, "value": values[-1], "ci95": image_interval(test, answers, kind, seed)})
    first = next(iter(measured.answers.values()))
    data = data_details(test.root, len(first.rows), test.fingerprint, list(first.unreadable))
    by = "bootstrap over test images" if kind else "Wilson's over test images"
    interval, said = seed_interval(values, each[0]["ci95"], by)
    means = np.mean(per_class, axis=0)
    details: dict[str, Any] = {
        "interval": said,
        **({"seeds": each} if None not in measured.answers else {}),
        **measured.details,
        "split": {**measured.details.get("split", {}), "train": len(task.train), "test": len(test)},
        "per_category": _per_category(task, first, means),
        "data": data,
        "notes": list(task.notes),
    }
    if kind:
        details["absent_classes"] = int(np.isnan(means).sum())
    else:
        details["mean_over_classes"] = float(np.nanmean(means))
    return Result(
        evaluator=task.evaluator,
        metric=task.metric,
        value=float(np.mean(values)),
        n=len(first.rows),
        ci95=interval,
        condition=_condition(method, kind),
        details=details,
    )


def _condition(method: str | None, kind: Kind | None) -> dict[str, Any]:
    return {name: value for name, value in (("method", method), ("kind", kind)) if value is not None}


def _per_category(task: Task, answers: Predictions, values: np.ndarray) -> dict[str, Any]:
    targets = task.test.targets[answers.rows]
    counts = np.bincount(targets, minlength=len(values)) if targets.ndim == 1 else (targets == 1).sum(0)
    return {
        name: {"n": int(n), "value": float(value)} for name, n, value in zip(task.classes, counts, values, strict=True)
    }


def differences(task: Task, method: str | None, networks: Sequence[Measured], *, seed: int) -> list[dict[str, Any]]:
    """Differences of every two networks, each averaged over its seeds, on the test images that all of them answered.

    Intervals resample those images, the same ones for both: other seeds may differ by more.
    """
    kinds: tuple[Kind | None, ...] = (None,) if task.kind == "single" else KINDS
    common = sorted(set.intersection(*(set(a.rows.tolist()) for n in networks for a in n.answers.values())))
    if not common:
        return []
    test = task.test.take(common)
    found = []
    for kind in kinds:
        condition = _condition(method, kind)
        drawn = {network.name: _values(test, network, common, kind, seed) for network in networks}
        for a, b in combinations(drawn, 2):
            if kind is None:
                difference, interval = paired_difference(drawn[a], drawn[b], seed=seed)
            else:
                difference, draws = float(drawn[a][0] - drawn[b][0]), (drawn[a] - drawn[b])[1:]
                interval = percentile_interval(draws, bias_corrected_for=difference, bounds=(-1.0, 1.0))
            found.append(
                {
                    **{"evaluator": task.evaluator, "metric": task.metric, "condition": condition, "a": a, "b": b},
                    **{"difference": difference, "ci95": interval, "n": len(common)},
                }
            )
    return found


def _values(test: ImageSet, network: Measured, rows: list[int], kind: Kind | None, seed: int) -> np.ndarray:
    """Averaged over seeds: right or not of each image (n,); or mean AP, then that of each draw of images."""
    of_seeds = []
    for answers in network.answers.values():
        place = {row: n for n, row in enumerate(answers.rows.tolist())}
        values = answers.values[[place[row] for row in rows]]
        ordered = Predictions(np.arange(len(rows)), values)
        if kind is None:
            of_seeds.append(right(test, ordered).astype(np.float64))
            continue
        drawn = mean_ap_draws(values, test.targets == 1, test.targets >= 0, kind, seed=seed)
        of_seeds.append(np.concatenate([[mean_ap(test, ordered, kind).value], drawn]))
    return np.mean(of_seeds, axis=0)
