"""Mean IoU of a model over random seeds, and the difference between models, on the images they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from shapebias.metrics.functional.segmentation import IoU, defined_mean, iou, miou_difference, miou_interval
from shapebias.results.comparison import Difference
from shapebias.stats.intervals import Interval
from shapebias.tasks.sweep import Compared, Measured, paired_rows

Confusions = Mapping[int, np.ndarray]  # confusion matrices (classes, classes) by image number


class SeedIoU(NamedTuple):
    """The IoU of one training over all images together, with the interval of its mean from resampling images."""

    seed: int | None
    iou: IoU
    interval: Interval | None
    confusion: np.ndarray


def shared_images(models: Iterable[Measured[Any]]) -> list[int]:
    """Return the numbers of the images that every seed of the ``models`` has an output for, in ascending order."""
    return sorted(set.intersection(*(set(outputs) for model in models for outputs in model.outputs.values())))


def seed_ious(measured: Measured[Confusions], classes: int, *, resampling_seed: int | None = None) -> list[SeedIoU]:
    """Return the IoU of each seed of a model over the images that all of its seeds have.

    The interval resamples images with ``resampling_seed``, or with the training's own seed if that is None.
    """
    images, found = shared_images([measured]), []
    for seed, outputs in measured.outputs.items():
        stack = stacked(outputs, images, classes)
        resampling = seed if resampling_seed is None else resampling_seed
        assert resampling is not None
        total = stack.sum(0)
        found.append(SeedIoU(seed, iou(total), miou_interval(stack, seed=resampling), total))
    return found


def mean_interval(measured: Measured[Confusions], classes: int, *, seed: int) -> Interval | None:
    """Return the interval of the mean over seeds of the mIoU, resampling the same images for all seeds."""
    images = shared_images([measured])
    return miou_interval(_of_seeds(measured, images, classes), seed=seed)


def class_means(found: Sequence[SeedIoU], classes: Sequence[str]) -> dict[str, float | None]:
    """Return the mean over seeds of each class's IoU, or None for a class without pixels in any seed."""
    means = defined_mean(np.stack([one.iou.per_class for one in found], axis=1)).tolist()
    return {name: None if np.isnan(mean) else mean for name, mean in zip(classes, means, strict=True)}


def miou_differences(
    evaluator: str, condition: dict[str, Any], models: Sequence[Measured[Confusions]], classes: int, *, seed: int
) -> list[Difference]:
    """Return the rows of a comparison: the difference in the mean over seeds for each pair of models that share images.

    Over images, the interval resamples with ``seed`` the same images for all trainings of both models.
    """

    def compare(one: Measured[Confusions], other: Measured[Confusions]) -> Compared | None:
        images = shared_images([one, other])
        if not images:
            return None
        a, b = (_of_seeds(model, images, classes) for model in (one, other))
        of_a, of_b = ([iou(total).mean for total in stack.sum(1)] for stack in (a, b))
        return Compared(of_a, of_b, miou_difference(a, b, seed=seed)[1], len(images))

    return paired_rows(evaluator, "miou", condition, {model.name: model for model in models}, compare)


def _of_seeds(measured: Measured[Confusions], images: Sequence[int], classes: int) -> np.ndarray:
    """Return the matrices (seeds, n, classes, classes) of ``images``."""
    return np.stack([stacked(outputs, images, classes) for outputs in measured.outputs.values()])


def stacked(outputs: Confusions, images: Sequence[int], classes: int) -> np.ndarray:
    """Return the matrices (n, classes, classes) of ``images``."""
    return np.array([outputs[image] for image in images], dtype=np.int64).reshape(len(images), classes, classes)
