"""The difference in mIoU of two networks over the same images, with its paired bootstrap interval."""

from __future__ import annotations

import numpy as np

from shapebias.measure.intervals import bootstrap


def iou_difference(a: np.ndarray, b: np.ndarray, *, seed: int) -> tuple[float, tuple[float, float] | None]:
    """The mIoU of ``a`` minus that of ``b``, in [-1, 1], and its 95 % interval, resampling images for both at once.

    Args:
        a: one network's confusion matrices (n, classes, classes), a row per true class, n of 1 or more.
        b: the other's of the same images in the same order.
        seed: of the resampling.
    """
    both = np.stack([a, b], axis=1)
    n, classes = len(both), both.shape[-1]
    parts = np.stack([np.diagonal(both, axis1=2, axis2=3), both.sum(3), both.sum(2)], axis=2)  # right, true, predicted

    def difference(means: np.ndarray) -> np.ndarray:
        values = _mean_iou(means.reshape(-1, 2, 3, classes))
        return values[:, 0] - values[:, 1]

    parts = parts.reshape(n, -1)
    return float(difference(parts.mean(0, keepdims=True))[0]), bootstrap(difference, parts, seed=seed)


def _mean_iou(parts: np.ndarray) -> np.ndarray:
    """Mean IoU over the classes in truth or prediction, of (..., 3, classes) pixels."""
    right, true, predicted = np.moveaxis(parts, -2, 0)
    with np.errstate(invalid="ignore"):
        each = right / (true + predicted - right)
        return np.nansum(each, axis=-1) / np.isfinite(each).sum(-1)
