"""Mean IoU over every threshold from one pass: pixels are counted by true class, best class and score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.metrics.functional.segmentation import IGNORED

CLASSES = len(VOC_CLASSES) + 1  # the background with them
STEPS = 100


class Tally(NamedTuple):
    """The pixels of one image by (true class, best class, how many thresholds are below the score).

    ``cells`` (m,) are those triples as one index, rising; ``pixels`` (m,) how many there are of each.
    """

    cells: np.ndarray
    pixels: np.ndarray


def thresholds_with(threshold: float) -> np.ndarray:
    """0 to 1 in steps of .01, and ``threshold``, rising."""
    return np.unique(np.append(np.arange(STEPS + 1) / STEPS, threshold))


def tally(truth: np.ndarray, labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> Tally:
    """Count the pixels of one image; those whose truth is 255 count for nothing.

    Args:
        truth: (H, W), 0 to 20 and 255.
        labels: (H, W), the best class of each pixel, 0 where there is none.
        scores: (H, W), its score.
        thresholds: (t,), rising.
    """
    levels = np.searchsorted(thresholds, scores.astype(np.float64), side="left")  # thresholds below the score
    cells = (truth.astype(np.int64) * CLASSES + labels) * (len(thresholds) + 1) + levels
    counts = np.bincount(cells[truth != IGNORED], minlength=1)
    found = np.flatnonzero(counts)
    return Tally(found, counts[found])


def confusions(tallied: Tally, thresholds: int) -> np.ndarray:
    """The confusion matrices (thresholds, 21, 21) of one tally or of a sum of them, a row per true class.

    A class is predicted where more than the threshold; everything else is background.
    """
    cube = np.zeros(CLASSES * CLASSES * (thresholds + 1), dtype=np.int64)
    np.add.at(cube, tallied.cells, tallied.pixels)
    cube = cube.reshape(CLASSES, CLASSES, thresholds + 1)
    above = cube[:, :, ::-1].cumsum(2)[:, :, ::-1][:, :, 1:]  # level > j: score above the j-th threshold
    found = np.moveaxis(above, 2, 0).copy()
    found[:, :, 0] = 0
    found[:, :, 0] = cube.sum((1, 2)) - found.sum(2)
    return found


def confusion_at(tallied: Tally, thresholds: int, number: int) -> np.ndarray:
    """The confusion matrix (21, 21) at the ``number``-th threshold alone."""
    first, level = np.divmod(tallied.cells, thresholds + 1)
    true, best = np.divmod(first, CLASSES)
    found = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    np.add.at(found, (true, np.where(level > number, best, 0)), tallied.pixels)
    return found
