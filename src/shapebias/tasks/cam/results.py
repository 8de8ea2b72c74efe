"""The mIoU of pseudo-labels as results: over seeds, at two thresholds, by class, with the curve over thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.metrics.functional.segmentation import defined_mean, iou, miou_interval
from shapebias.results.results import Result
from shapebias.stats.seeds import seed_interval
from shapebias.tasks.cam.multiscale import CamSettings
from shapebias.tasks.cam.threshold_curve import CLASSES, ThresholdCounts, thresholds_with, total_counts

EVALUATOR = "cam"
NAMES = ("background", *VOC_CLASSES)


@dataclass(frozen=True, eq=False)
class SeedCounts:
    """The pixels of one training's pseudo-labels by image number; ``seed`` is None for a model given alone."""

    seed: int | None
    weights_sha256: str | None
    counts: Mapping[int, ThresholdCounts]

    def curve(self, images: Sequence[int], thresholds: np.ndarray) -> list[float]:
        """Return the mIoU of ``images`` at each of ``thresholds``, NaN without pixels."""
        whole = total_counts([self.counts[number] for number in images], thresholds)
        return [iou(matrix).mean for matrix in whole.confusions()]

    def confusions(self, images: Sequence[int], index: int) -> np.ndarray:
        """Return the matrices (n, 21, 21) of ``images`` at the threshold of that index."""
        found = np.zeros((len(images), CLASSES, CLASSES), dtype=np.int64)
        for row, number in enumerate(images):
            found[row] = self.counts[number].confusion_at(index)
        return found


def shared_images(runs: Sequence[SeedCounts]) -> list[int]:
    """Return the numbers of the images that every run was scored on, rising."""
    return sorted(set.intersection(*(set(run.counts) for run in runs)))


def confusions_at_threshold(runs: Sequence[SeedCounts], settings: CamSettings, images: Sequence[int]) -> np.ndarray:
    """Return the matrices (seeds, n, 21, 21) of ``images`` at the settings' threshold."""
    index = int(np.searchsorted(thresholds_with(settings.threshold), settings.threshold))
    return np.stack([run.confusions(images, index) for run in runs])


def miou_results(
    runs: Sequence[SeedCounts], settings: CamSettings, details: dict[str, Any], *, seed: int
) -> list[Result]:
    """Return ``miou`` at the settings' threshold, and ``miou_best`` at the one where the mean over seeds is highest.

    A value is the mean over ``runs``, which share that threshold. With two or more that differ the interval is
    Student's t of the mean, else the bootstrap over images; ``details.interval`` states which. ``n`` counts images,
    ``details.curve`` has the mean over seeds at every threshold.

    Args:
        runs: the trainings of one model, one or more.
        settings: of the labels.
        details: further details of both results.
        seed: random seed of the bootstrap.
    """
    thresholds, images = thresholds_with(settings.threshold), shared_images(runs)
    curve = np.mean([run.curve(images, thresholds) for run in runs], axis=0)
    given = int(np.searchsorted(thresholds, settings.threshold))
    best = int(np.nanargmax(curve)) if np.isfinite(curve).any() else given
    points = [[float(threshold), float(value)] for threshold, value in zip(thresholds, curve, strict=True)]
    chosen = " where that mean is highest" if len(runs) > 1 else " that is best on all of them"

    def result(metric: str, index: int, condition: dict[str, Any], own: dict[str, Any], where: str) -> Result:
        stacks = [run.confusions(images, index) for run in runs]
        return _miou_result(metric, runs, stacks, condition, {**own, **details}, where, seed)

    scales = {"scales": settings.kind}
    at_best = {"threshold": points[best][0], "curve": points}
    return [
        result("miou", given, {"threshold": settings.threshold, **scales}, {}, ""),
        result("miou_best", best, scales, at_best, f" at the threshold{chosen}"),
    ]


def _miou_result(
    metric: str,
    runs: Sequence[SeedCounts],
    stacks: Sequence[np.ndarray],
    condition: dict[str, Any],
    details: dict[str, Any],
    where: str,
    seed: int,
) -> Result:
    found = [iou(stack.sum(0)) for stack in stacks]
    values = [one.mean for one in found]
    over_images = [miou_interval(stack, seed=seed) for stack in stacks]
    interval, kind = seed_interval(values, over_images[0], "bootstrap over images")
    rows = [
        {"seed": run.seed, "value": value, "ci95": own, "weights_sha256": run.weights_sha256}
        for run, value, own in zip(runs, values, over_images, strict=True)
        if run.seed is not None
    ]
    per_class = defined_mean(np.stack([one.per_class for one in found], axis=1))
    return Result(
        EVALUATOR,
        metric,
        value=float(np.mean(values)),
        n=len(stacks[0]),
        ci95=interval,
        condition=condition,
        details={
            "interval": kind + where,
            **({"seeds": rows} if rows else {}),
            "per_class": dict(zip(NAMES, per_class.tolist(), strict=True)),
            "absent": [name for name, value in zip(NAMES, per_class, strict=True) if np.isnan(value)],
            "pixel_accuracy": float(np.mean([one.pixel_accuracy for one in found])),
            **details,
        },
    )
