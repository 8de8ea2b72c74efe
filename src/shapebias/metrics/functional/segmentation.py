"""Intersection over union of segmentation, from one confusion matrix over a whole set (Pascal VOC's measure).

The matrix has a row per true class and a column per predicted one; its entries are pixels. A class's IoU is its entry
on the diagonal over its row and column together, each pixel once (Everingham et al. 2010).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.errors import UserError
from shapebias.stats.bootstrap import RESAMPLES, bootstrap
from shapebias.stats.intervals import Interval

IGNORED = 255  # VOC's label of pixels to ignore, such as the border around objects


class IoU(NamedTuple):
    """Intersection over union, in [0, 1].

    ``per_class`` (classes,) is NaN for the ``absent`` classes, neither in truth nor prediction; ``mean`` is over the
    others, NaN if there are none; ``pixel_accuracy`` is the share of right pixels, NaN without pixels.
    """

    per_class: np.ndarray
    mean: float
    absent: int
    pixel_accuracy: float


def confusion_matrix(truth: Tensor, prediction: Tensor, classes: int, ignore: int = IGNORED) -> Tensor:
    """Count the pixels of each true class that are predicted as each class.

    Args:
        truth: whole numbers of any type and shape, 0 to ``classes`` - 1 or ``ignore``.
        prediction: whole numbers of the same shape and device, 0 to ``classes`` - 1 wherever the truth is not
            ``ignore``; anything there.
        classes: number of classes, the background included.
        ignore: the true label of pixels to ignore.

    Returns:
        (classes, classes) int64 on the device of ``truth``, a row per true class.

    Raises:
        UserError: shapes that differ, numbers that are not whole, or out of range.
    """
    if truth.shape != prediction.shape:
        raise UserError(
            f"labels are {tuple(truth.shape)} but predictions {tuple(prediction.shape)}: predict at the labels' size"
        )
    for name, values in (("labels", truth), ("predictions", prediction)):
        if values.is_floating_point() or values.is_complex():
            raise UserError(f"{name} are {values.dtype}: give whole numbers, the argmax of scores over classes")
    truth, prediction = truth.long(), prediction.long()
    kept = truth != ignore
    truth, prediction = truth[kept], prediction[kept]
    for name, values, besides in (("label", truth, f" and {ignore} for ignored"), ("prediction", prediction, "")):
        wrong = values[(values < 0) | (values >= classes)]
        if len(wrong):
            raise UserError(
                f"{name} {int(wrong[0])} is no class: {classes} classes have the numbers 0 to {classes - 1}{besides}"
            )
    return torch.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)


def iou(confusion: Tensor | np.ndarray) -> IoU:
    """Return the IoU of each class and their mean, of one confusion matrix (classes, classes).

    >>> found = iou(np.array([[1, 0], [1, 2]]))
    >>> found.per_class.tolist(), found.pixel_accuracy
    ([0.5, 0.6666666666666666], 0.75)

    Raises:
        ValueError: a matrix that is not square.
    """
    matrix = np.asarray(confusion.cpu() if isinstance(confusion, Tensor) else confusion)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a confusion matrix is (classes, classes), not {matrix.shape}")
    parts = _parts(matrix)
    per_class = _per_class(parts)
    right, pixels = int(parts[0].sum()), int(parts[1].sum())
    return IoU(
        per_class=per_class,
        mean=float(defined_mean(per_class)),
        absent=int(np.isnan(per_class).sum()),
        pixel_accuracy=right / pixels if pixels else float("nan"),
    )


def miou_interval(confusions: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> Interval | None:
    """Return the bias-corrected 95 % interval of the mean IoU, resampling images; None without pixels.

    The mean of a resample is over the classes in its truth or prediction: without the few images of a class that is
    never found it has no zero for that class, which raises it and which the correction takes back.

    Args:
        confusions: (n, classes, classes), one matrix per image; or (seeds, n, classes, classes) of several trainings,
            whose mean IoUs are averaged, with the same images resampled for all.
        seed: random seed of the resampling.
        resamples: number of resamples.
    """
    given = np.asarray(confusions)
    stacks = given if given.ndim == 4 else given[None]
    weights = np.full(len(stacks), 1 / len(stacks))
    return _weighted_miou(stacks, weights, (0.0, 1.0), seed=seed, resamples=resamples)[1]


def miou_difference(a: np.ndarray, b: np.ndarray, *, seed: int) -> tuple[float, Interval | None]:
    """Return the mIoU of ``a`` minus that of ``b``, each the mean over its seeds, in [-1, 1], and its 95 % interval.

    The interval resamples images for both and all seeds at once, as ``miou_interval`` does; None without pixels.

    Args:
        a: one model's confusion matrices (seeds, n, classes, classes), a row per true class, n of 1 or more.
        b: the other's of the same images in the same order; it may have another number of seeds.
        seed: random seed of the resampling.
    """
    weights = np.concatenate([np.full(len(a), 1 / len(a)), np.full(len(b), -1 / len(b))])
    return _weighted_miou(np.concatenate([a, b]), weights, (-1.0, 1.0), seed=seed)


def _weighted_miou(
    stacks: np.ndarray, weights: np.ndarray, bounds: Interval, *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, Interval | None]:
    """Return a weighted sum of the mean IoUs of (seeds, n, classes, classes), and its interval over images."""
    parts = _parts(stacks)
    seeds, n, _, classes = parts.shape
    if n == 0:
        return float("nan"), None

    def weighted(means: np.ndarray) -> np.ndarray:
        return defined_mean(_per_class(means.reshape(-1, seeds, 3, classes))) @ weights

    data = parts.swapaxes(0, 1).reshape(n, -1)
    interval = bootstrap(weighted, data, seed=seed, resamples=resamples, bias_corrected=True, bounds=bounds)
    return float(weighted(data.mean(0, keepdims=True))[0]), interval


def defined_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of the values that are not NaN; NaN where all are.

    >>> defined_mean(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])).tolist()
    [2.0, nan]
    """
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0).sum(-1) / defined.sum(-1)


def _parts(matrices: np.ndarray) -> np.ndarray:
    """Reduce (..., classes, classes) to (..., 3, classes): correct, true and predicted pixels of each class."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.stack([right, matrices.sum(-1), matrices.sum(-2)], axis=-2)


def _per_class(parts: np.ndarray) -> np.ndarray:
    right, true, predicted = np.moveaxis(parts, -2, 0)
    with np.errstate(invalid="ignore"):
        return right / (true + predicted - right)
