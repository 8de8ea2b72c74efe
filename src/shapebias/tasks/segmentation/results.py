"""Mean IoU as the results file states it: over seeds, by class, and its difference between models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from shapebias.metrics.functional.segmentation import defined_mean, iou, miou_difference, miou_interval
from shapebias.results.results import Result
from shapebias.tasks.segmentation.whole_images import Confusions
from shapebias.tasks.sweep import Measured, mean_result, paired_rows

EVALUATOR, METRIC = "segmentation", "miou"


def segmentation_result(
    measured: Measured[Confusions], classes: Sequence[str], *, backbone: str, details: Mapping[str, Any]
) -> Result:
    """Return the result of one model: the mean over its seeds of each one's mIoU over all images together.

    ``n`` counts images. The interval is Student's t over seeds that differ, else the bootstrap's over images.
    """
    images = shared_images([measured])
    each, found, totals = [], [], []
    for seed, outputs in measured.outputs.items():
        assert seed is not None
        stack = _stacked(outputs, images)
        totals.append(stack.sum(0))
        found.append(iou(totals[-1]))
        each.append(
            {
                "seed": seed,
                "value": found[-1].mean,
                "ci95": miou_interval(stack, seed=seed),
                "pixel_accuracy": found[-1].pixel_accuracy,
                "absent": found[-1].absent,
                "weights_sha256": measured.runs[seed]["weights_sha256"],
            }
        )
    by_class = defined_mean(np.stack([one.per_class for one in found], axis=1)).tolist()
    means = [None if np.isnan(value) else value for value in by_class]
    per_class = dict(zip(classes, means, strict=True))
    told = {
        "per_class": per_class,
        "absent": [name for name, value in per_class.items() if value is None],
        "all_background": all_background(totals[0]),
        **details,
        **measured.details,
    }
    condition = {"backbone": backbone}
    return mean_result(
        EVALUATOR, METRIC, each, "bootstrap over images", n=len(images), condition=condition, details=told
    )


def all_background(confusion: np.ndarray) -> float:
    """Return the mIoU of predicting background everywhere, NaN without pixels: a model should exceed it."""
    true = confusion.sum(1)
    answer = np.zeros_like(confusion)
    answer[:, 0] = true
    return iou(answer).mean


def differences(models: Sequence[Measured[Confusions]], *, backbone: str, seed: int) -> list[dict[str, Any]]:
    """Return the difference in mIoU of every two models, resampling the images of both."""

    def difference(one: Measured[Confusions], other: Measured[Confusions]) -> Any:
        images = shared_images([one, other])
        stacks = [np.stack([_stacked(o, images) for o in model.outputs.values()]) for model in (one, other)]
        return *miou_difference(*stacks, seed=seed), len(images)

    named = {model.name: model for model in models}
    return paired_rows(EVALUATOR, METRIC, {"backbone": backbone}, named, difference)


def shared_images(models: Iterable[Measured[Confusions]]) -> list[int]:
    """Return the images that every seed of the models has an output for, in order."""
    return sorted(set.intersection(*(set(outputs) for model in models for outputs in model.outputs.values())))


def _stacked(outputs: Confusions, images: Sequence[int]) -> np.ndarray:
    return np.stack([outputs[index] for index in images])
