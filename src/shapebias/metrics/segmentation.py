"""Intersection over union of segmentation, from one confusion matrix over a whole set (Pascal VOC's measure).

The matrix has a row per true class and a column per predicted one; its entries are pixels. A class's IoU is its entry
on the diagonal over its row and column together, each pixel once (Everingham et al. 2010).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from shapebias.errors import UserError
from shapebias.stats.intervals import RESAMPLES, bootstrap

IGNORED = 255  # VOC's label of pixels that count for nothing, such as the border around objects


class IoU(NamedTuple):
    """Intersection over union, in [0, 1].

    ``per_class`` (classes,) is NaN for the ``absent`` classes, neither in truth nor prediction; ``mean`` is over the
    others, NaN if there are none; ``pixel_accuracy`` is the share of right pixels, NaN without pixels.
    """

    per_class: np.ndarray
    mean: float
    absent: int
    pixel_accuracy: float


def confusion(truth: Tensor, prediction: Tensor, classes: int, ignore: int = IGNORED) -> Tensor:
    """How many pixels of each true class are predicted as each class.

    Args:
        truth: whole numbers of any type and shape, 0 to ``classes`` - 1 or ``ignore``.
        prediction: whole numbers of the same shape and device, 0 to ``classes`` - 1 wherever the truth is not
            ``ignore``; anything there.
        classes: how many there are, the background with them.
        ignore: the true label of pixels that do not count.

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
    """The IoU of each class and their mean, of one confusion matrix (classes, classes).

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


def bootstrap_iou(confusions: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The 95 % interval of the mean IoU, resampling images; None without pixels.

    A draw's mean is over the classes in its truth or prediction. Percentiles of the draws less their bias: a draw
    without the few images of a class that is never found has no zero for it, which raises the mean.

    Args:
        confusions: (n, classes, classes), one matrix per image.
        seed: of the resampling.
        resamples: how many.
    """
    parts = _parts(np.asarray(confusions))
    n, _, classes = parts.shape

    def mean_iou(means: np.ndarray) -> np.ndarray:
        return defined_mean(_per_class(means.reshape(-1, 3, classes)))

    found = bootstrap(mean_iou, parts.reshape(n, 3 * classes), seed=seed, resamples=resamples, less_bias=True)
    return _cut(found, 0.0, 1.0)


def miou_difference(a: np.ndarray, b: np.ndarray, *, seed: int) -> tuple[float, tuple[float, float] | None]:
    """The mIoU of ``a`` minus that of ``b``, each the mean over its seeds, in [-1, 1], and its 95 % interval.

    The interval resamples images for both and all seeds at once, as ``bootstrap_iou`` does; None without pixels.

    Args:
        a: one network's confusion matrices (seeds, n, classes, classes), a row per true class, n of 1 or more.
        b: the other's of the same images in the same order; it may have another number of seeds.
        seed: of the resampling.
    """
    parts = _parts(np.concatenate([a, b]))
    seeds, n, _, classes = parts.shape

    def difference(means: np.ndarray) -> np.ndarray:
        values = defined_mean(_per_class(means.reshape(-1, seeds, 3, classes)))
        return values[:, : len(a)].mean(1) - values[:, len(a) :].mean(1)

    data = parts.swapaxes(0, 1).reshape(n, -1)
    interval = bootstrap(difference, data, seed=seed, less_bias=True)
    return float(difference(data.mean(0, keepdims=True))[0]), _cut(interval, -1.0, 1.0)


def defined_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN of nothing.

    >>> defined_mean(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])).tolist()
    [2.0, nan]
    """
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0).sum(-1) / defined.sum(-1)


def _cut(interval: tuple[float, float] | None, lowest: float, highest: float) -> tuple[float, float] | None:
    return None if interval is None else (max(lowest, interval[0]), min(highest, interval[1]))


def _parts(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, classes) of (..., classes, classes): right pixels, true ones, predicted ones."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.stack([right, matrices.sum(-1), matrices.sum(-2)], axis=-2)


def _per_class(parts: np.ndarray) -> np.ndarray:
    right, true, predicted = np.moveaxis(parts, -2, 0)
    with np.errstate(invalid="ignore"):
        return right / (true + predicted - right)


class SegmentationIoU(Metric):
    """Mean intersection over union over the classes in truth or prediction, of all pixels together.

    ``update(prediction, truth)`` takes class numbers of one shape, such as (N, H, W): scores go through ``argmax(1)``
    first. ``compute`` gives a float32 scalar, NaN before any pixel; ``iou(metric.confusion)`` has the classes one by
    one, on one rank. Pixels add up over batches and ranks.

    Args:
        classes: how many there are, the background with them.
        ignore: the true label of pixels that do not count.

    Example:
        >>> metric = SegmentationIoU(classes=3)
        >>> metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 255]]))
        >>> metric.compute()  # 1/2 for class 0, 1/2 for class 1; class 2 is absent
        tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor

    def __init__(self, classes: int, ignore: int = IGNORED, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.classes, self.ignore = classes, ignore
        self.add_state("confusion", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count the pixels of a batch.

        Raises:
            UserError: as ``confusion`` does.
        """
        self.confusion += confusion(truth, prediction, self.classes, self.ignore)

    def compute(self) -> Tensor:
        """Mean IoU, a scalar in [0, 1]; NaN before any pixel."""
        return torch.tensor(iou(self.confusion).mean, device=self.confusion.device)
