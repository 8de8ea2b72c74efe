"""Accuracies of a model on corrupted images, and its mean corruption error (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapebias.corruptions.corruption import CORRUPTIONS, SEVERITIES, Cell
from shapebias.results.results import Result, ResultKey
from shapebias.stats.bootstrap import mean_interval
from shapebias.stats.intervals import wilson

EVALUATOR = "corruptions"
UNREAD = -1  # in place of an answer
ALEXNET = "errors of AlexNet on the full public set: 1000 classes of 50 images, answers among all 1000"
NOT_PUBLIC = "not given: it is relative to AlexNet's errors on ImageNet-C's full public set, and this is another set"
ALEXNET_ERRORS = {  # top-1 error of AlexNet, the mean over the five severities
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


@dataclass(frozen=True)
class CorruptionAnswers:
    """A model's answers to the copies of each image.

    Attributes:
        right: (images, cells) of int8: 1 right, 0 wrong, ``UNREAD`` where there is no copy or it could not be read.
        cells: those of the columns.
        missing: the severities of each corruption of the protocol that are not there.
    """

    right: np.ndarray
    cells: tuple[Cell, ...]
    missing: Mapping[str, list[int]]

    @property
    def everywhere(self) -> np.ndarray:
        """The images (N,) bool with a copy in every cell. Means over cells are over these, each image once."""
        return np.asarray((self.right >= 0).all(axis=1))

    def shares(self, cells: Sequence[Cell]) -> np.ndarray:
        """Return the share of right answers to the copies in ``cells`` of each image that is in every cell."""
        columns = [self.cells.index(cell) for cell in cells]
        return self.right[self.everywhere][:, columns].mean(axis=1, dtype=np.float64)


def corruption_results(
    answers: CorruptionAnswers, condition: dict[str, Any], details: dict[str, Any], *, seed: int
) -> tuple[list[Result], dict[ResultKey, np.ndarray]]:
    """Return ``top1`` of each cell and of each corruption whose five severities are there, and ``mean_top1`` of all 75.

    Where some of the 75 are missing, ``mean_top1`` is undefined (None), its details list them, and
    ``mean_top1_of_present`` is the mean over those that are there. Cells have equal weights. Means are over the images
    that are in every cell; cells that lack some are listed in ``details.uneven``. ``n`` counts images. Intervals:
    Wilson's for a cell, for means the bootstrap over images, whose values are the means over their copies.

    Args:
        answers: those of the model.
        condition: of every result.
        details: of ``mean_top1``.
        seed: random seed of the resampling.

    Returns:
        The results, and for the means the values (n, 1) of the images that are in every cell.
    """
    uneven = _uneven(answers)
    results, per_image = [], dict[ResultKey, np.ndarray]()
    for column, (corruption, severity) in enumerate(answers.cells):
        there = answers.right[:, column] >= 0
        n, right = int(there.sum()), int((answers.right[:, column] == 1).sum())
        where = {**condition, "corruption": corruption, "severity": severity}
        results.append(
            Result(EVALUATOR, "top1", right / n if n else None, n, wilson(right, n), where, {"right": right})
        )
    for corruption in CORRUPTIONS:
        if corruption not in answers.missing:
            shares = answers.shares([(corruption, severity) for severity in SEVERITIES])
            result = _mean("top1", shares, {**condition, "corruption": corruption}, uneven, seed)
            results.append(result)
            per_image[result.key] = shares[:, None]
    shares = answers.shares(answers.cells)
    if answers.missing:
        missing = {"missing": dict(answers.missing), "warning": _missing_warning(answers)}
        results.append(Result(EVALUATOR, "mean_top1", None, 0, None, condition, {**details, **missing}))
        present: dict[str, list[int]] = {}
        for corruption, severity in answers.cells:
            present.setdefault(corruption, []).append(severity)
        result = _mean("mean_top1_of_present", shares, condition, {"present": present, **uneven}, seed)
    else:
        result = _mean("mean_top1", shares, condition, {**details, **uneven}, seed)
    results.append(result)
    per_image[result.key] = shares[:, None]
    return results, per_image


def corruption_error(answers: CorruptionAnswers, condition: dict[str, Any], *, seed: int) -> Result:
    """Return ``mce``, the mean corruption error relative to AlexNet's, of the full public set.

    CE of a corruption = the sum of the errors over its five severities / (5 x AlexNet's mean error); mce is the mean
    over the 15. AlexNet's is 1; it may exceed that. ``n`` counts images, the interval is the bootstrap's over them.

    Args:
        answers: those of the model.
        condition: of the result.
        seed: random seed of the resampling.
    """
    errors = {
        corruption: 1 - answers.shares([(corruption, severity) for severity in SEVERITIES])
        for corruption in CORRUPTIONS
    }
    relative = {name: error / ALEXNET_ERRORS[name] for name, error in errors.items()}
    uneven = _uneven(answers)
    details = {
        "per_corruption": {name: float(error.mean()) if len(error) else None for name, error in relative.items()},
        "alexnet": ALEXNET,
        **uneven,
    }
    return _mean("mce", np.mean(list(relative.values()), axis=0), condition, details, seed)


def _mean(metric: str, shares: np.ndarray, condition: dict[str, Any], details: dict[str, Any], seed: int) -> Result:
    interval = mean_interval(shares, seed=seed)
    value = float(shares.mean()) if len(shares) else None
    return Result(EVALUATOR, metric, value, len(shares), interval, condition, dict(details))


def _uneven(answers: CorruptionAnswers) -> dict[str, Any]:
    """Return the cells that lack images which others have, with their counts, and a warning; empty where none does."""
    images = len(answers.right)
    counts = (answers.right >= 0).sum(axis=0).tolist()
    short = {
        f"{corruption}/{severity}": count
        for (corruption, severity), count in zip(answers.cells, counts, strict=True)
        if count < images
    }
    if not short:
        return {}
    name, count = next(iter(short.items()))
    return {
        "uneven": short,
        "warning": f"{len(short)} of {len(counts)} severities lack images that others have (first {name}: {count} of "
        f"{images}): the means are over the {int(answers.everywhere.sum())} images that all have",
    }


def _missing_warning(answers: CorruptionAnswers) -> str:
    """Return the warning about missing severities, as in ``snow at 2 and 4, fog``."""
    parts = [
        name if len(severities) == len(SEVERITIES) else f"{name} at {' and '.join(map(str, severities))}"
        for name, severities in answers.missing.items()
    ]
    wanted = len(CORRUPTIONS) * len(SEVERITIES)
    return (
        f"mean_top1 is undefined, {wanted - len(answers.cells)} of {wanted} severities are missing: {', '.join(parts)}"
    )
