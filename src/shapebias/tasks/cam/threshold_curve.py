"""Pixel counts of pseudo-labels at all thresholds from a single pass, which give the mean IoU at each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shapebias.data.readers.voc import MASK_CLASSES
from shapebias.errors import UserError
from shapebias.files import atomic
from shapebias.metrics.functional.segmentation import IGNORED

CLASSES = len(MASK_CLASSES)
STEPS = 100


@dataclass(frozen=True, eq=False)
class ThresholdCounts:
    """Numbers of pixels by (true class, best class, number of thresholds below the score).

    Attributes:
        thresholds: (t,), in ascending order.
        cells: (m,), each triple as a single index.
        pixels: (m,), number of pixels with that triple.
    """

    thresholds: np.ndarray
    cells: np.ndarray
    pixels: np.ndarray

    def confusions(self) -> np.ndarray:
        """Return the confusion matrices (t, 21, 21) at all thresholds, with a row per true class.

        The best class is predicted where its score is above the threshold, the background everywhere else.
        """
        cube = np.zeros(CLASSES * CLASSES * (len(self.thresholds) + 1), dtype=np.int64)
        np.add.at(cube, self.cells, self.pixels)
        cube = cube.reshape(CLASSES, CLASSES, -1)
        above = cube[:, :, ::-1].cumsum(2)[:, :, ::-1][:, :, 1:]  # level > j: score above the j-th threshold
        found = np.moveaxis(above, 2, 0).copy()
        found[:, :, 0] = 0
        found[:, :, 0] = cube.sum((1, 2)) - found.sum(2)
        return found

    def confusion_at(self, index: int) -> np.ndarray:
        """Return the confusion matrix (21, 21) at the threshold number ``index``."""
        classes, level = np.divmod(self.cells, len(self.thresholds) + 1)
        true, best = np.divmod(classes, CLASSES)
        found = np.zeros((CLASSES, CLASSES), dtype=np.int64)
        np.add.at(found, (true, np.where(level > index, best, 0)), self.pixels)
        return found

    def save(self, path: Path) -> None:
        """Write the counts, without the thresholds, to an .npz file."""
        with atomic(path, durable=False) as temporary, temporary.open("wb") as file:
            np.savez(file, cells=self.cells, pixels=self.pixels)


def thresholds_with(threshold: float) -> np.ndarray:
    """Return 0 to 1 in steps of .01, together with ``threshold``, in ascending order."""
    return np.unique(np.append(np.arange(STEPS + 1) / STEPS, threshold))


def count_pixels(truth: np.ndarray, labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> ThresholdCounts:
    """Count the pixels of one image, ignoring those whose true class is 255.

    Args:
        truth: (H, W), the true classes, 0 to 20 and 255.
        labels: (H, W), the best class of each pixel, 0 if there is none.
        scores: (H, W), the score of that class.
        thresholds: (t,), in ascending order.
    """
    levels = np.searchsorted(thresholds, scores.astype(np.float64), side="left")  # thresholds below the score
    cells = (truth.astype(np.int64) * CLASSES + labels) * (len(thresholds) + 1) + levels
    counts = np.bincount(cells[truth != IGNORED], minlength=1)
    found = np.flatnonzero(counts)
    return ThresholdCounts(thresholds, found, counts[found])


def total_counts(parts: Sequence[ThresholdCounts], thresholds: np.ndarray) -> ThresholdCounts:
    """Return the sum of the counts ``parts``, which have the same ``thresholds``."""
    none = np.zeros(0, np.int64)
    cells = np.concatenate([none, *(part.cells for part in parts)])
    return ThresholdCounts(thresholds, cells, np.concatenate([none, *(part.pixels for part in parts)]))


def load_counts(path: Path, thresholds: np.ndarray) -> ThresholdCounts:
    """Read counts written by ``ThresholdCounts.save``.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            cells, pixels = file["cells"], file["pixels"]
        highest = CLASSES**2 * (len(thresholds) + 1)
        if cells.shape != pixels.shape or cells.ndim != 1 or (cells < 0).any() or (cells >= highest).any():
            raise ValueError("counts of another shape or range")
        if cells.dtype.kind != "i" or pixels.dtype.kind != "i":
            raise ValueError(f"counts of type {pixels.dtype}")
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(
            f"{path} is damaged ({' '.join(str(error).split())}): delete it and run the command again"
        ) from error
    return ThresholdCounts(thresholds, cells, pixels)
