"""Results of segmentation: mean IoU over seeds and by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapebias.metrics.functional.segmentation import iou
from shapebias.results.results import Result
from shapebias.tasks.miou import Confusions, class_means, mean_interval, seed_ious, shared_images
from shapebias.tasks.sweep import Measured, mean_result

EVALUATOR, METRIC = "segmentation", "miou"


def segmentation_result(
    measured: Measured[Confusions], classes: Sequence[str], *, backbone: str, details: Mapping[str, Any]
) -> Result:
    """Return the result of one model: the mean over its seeds of the mIoU over all images together.

    ``n`` is the number of images. The interval is over seeds and images, or over images if there is one seed.
    """
    found = seed_ious(measured, len(classes))
    each = [
        {
            "seed": one.seed,
            "value": one.iou.mean,
            "ci95": one.interval,
            "pixel_accuracy": one.iou.pixel_accuracy,
            "absent": one.iou.absent,
            "weights_sha256": measured.runs[one.seed]["weights_sha256"],
        }
        for one in found
        if one.seed is not None
    ]
    per_class = class_means(found, classes)
    told = {
        "per_class": per_class,
        "absent": [name for name, value in per_class.items() if value is None],
        "all_background": all_background(found[0].confusion),
        **details,
        **measured.details,
    }
    over_images = each[0]["ci95"] if len(each) == 1 else mean_interval(measured, len(classes), seed=each[0]["seed"])
    fields = {"n": len(shared_images([measured])), "condition": {"backbone": backbone}, "details": told}
    return mean_result(EVALUATOR, METRIC, each, over_images, "bootstrap over images", **fields)


def all_background(confusion: np.ndarray) -> float:
    """Return the mIoU of predicting background everywhere, a lower baseline, or NaN without pixels."""
    true = confusion.sum(1)
    answer = np.zeros_like(confusion)
    answer[:, 0] = true
    return iou(answer).mean
