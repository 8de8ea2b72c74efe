"""Results of pseudo-labels: mIoU over seeds at two thresholds and by class, with the curve over thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapebias.data.readers.voc import MASK_CLASSES
from shapebias.metrics.functional.segmentation import iou
from shapebias.results.comparison import Difference
from shapebias.results.results import Result
from shapebias.tasks.cam.multiscale import CamSettings
from shapebias.tasks.cam.threshold_curve import ThresholdCounts, thresholds_with, total_counts
from shapebias.tasks.miou import Confusions, class_means, mean_interval, miou_differences, seed_ious, shared_images
from shapebias.tasks.sweep import Measured, mean_result

EVALUATOR = "cam"
SeedCounts = Mapping[int, ThresholdCounts]  # counts of one training's pseudo-labels by image number


def cam_results(
    measured: Measured[SeedCounts], settings: CamSettings, details: dict[str, Any], *, seed: int
) -> list[Result]:
    """Return ``miou`` at the threshold of the settings, and ``miou_best`` at the threshold where the mean is highest.

    A value is the mean over the seeds at the same threshold. Its interval is over seeds and images, or over images if
    there is one seed; ``details.interval`` states which. ``n`` is the number of images, and ``details.curve`` has the
    mean over seeds at every threshold.

    Args:
        measured: pseudo-labels of one model by seed.
        settings: settings of the pseudo-labels.
        details: further details of both results.
        seed: random seed of the bootstrap.
    """
    thresholds = thresholds_with(settings.threshold)
    curve = _mean_curve(measured, thresholds)
    given = _index(settings)
    best = int(np.nanargmax(curve)) if np.isfinite(curve).any() else given
    points = [[float(threshold), float(value)] for threshold, value in zip(thresholds, curve, strict=True)]
    scales = {"scales": settings.kind}
    at_given = {"threshold": settings.threshold, **scales}
    at_best = {"threshold": points[best][0], "curve": points}
    results = [
        _result("miou", at_threshold(measured, given), at_given, details, seed),
        _result("miou_best", at_threshold(measured, best), scales, {**at_best, **details}, seed),
    ]
    where = "where that mean is highest" if len(measured.outputs) > 1 else "that is best on all of them"
    results[1].details["interval"] += f" at the threshold {where}"
    return results


def cam_differences(models: Sequence[Measured[SeedCounts]], settings: CamSettings, *, seed: int) -> list[Difference]:
    """Return the rows of a comparison: the difference in ``miou`` of each pair of models on the images they share."""
    condition = {"threshold": settings.threshold, "scales": settings.kind}
    there = [at_threshold(model, _index(settings)) for model in models]
    return miou_differences(EVALUATOR, condition, there, len(MASK_CLASSES), seed=seed)


def at_threshold(measured: Measured[SeedCounts], index: int) -> Measured[Confusions]:
    """Return the confusion matrix of every image at the threshold number ``index``."""
    outputs = {
        seed: {number: counts.confusion_at(index) for number, counts in images.items()}
        for seed, images in measured.outputs.items()
    }
    return Measured(measured.name, outputs, measured.details, measured.runs)


def _index(settings: CamSettings) -> int:
    return int(np.searchsorted(thresholds_with(settings.threshold), settings.threshold))


def _mean_curve(measured: Measured[SeedCounts], thresholds: np.ndarray) -> np.ndarray:
    """Return the mean over seeds of the mIoU at each of ``thresholds``, or NaN without pixels."""
    images, curves = shared_images([measured]), []
    for counts in measured.outputs.values():
        whole = total_counts([counts[number] for number in images], thresholds)
        curves.append([iou(matrix).mean for matrix in whole.confusions()])
    return np.mean(curves, axis=0)


def _result(
    metric: str, measured: Measured[Confusions], condition: dict[str, Any], details: dict[str, Any], seed: int
) -> Result:
    found = seed_ious(measured, len(MASK_CLASSES), resampling_seed=seed)
    each = [
        {
            "seed": one.seed,
            "value": one.iou.mean,
            "ci95": one.interval,
            "weights_sha256": None if one.seed is None else measured.runs[one.seed]["weights_sha256"],
        }
        for one in found
    ]
    per_class = class_means(found, MASK_CLASSES)
    told = {
        "per_class": per_class,
        "absent": [name for name, value in per_class.items() if value is None],
        "pixel_accuracy": float(np.mean([one.iou.pixel_accuracy for one in found])),
        **details,
    }
    over_images = each[0]["ci95"] if len(each) == 1 else mean_interval(measured, len(MASK_CLASSES), seed=seed)
    fields = {"n": len(shared_images([measured])), "condition": condition, "details": told}
    return mean_result(EVALUATOR, metric, each, over_images, "bootstrap over images", **fields)
