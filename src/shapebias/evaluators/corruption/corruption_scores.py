"""Figures of a network on corrupted images, from which of its answers were right (Hendrycks & Dietterich 2019)."""

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
ALEXNET = "errors of AlexNet on the full public set: 1000 classes of 50 images, answers among all 1000"
NOT_PUBLIC = (
    "AlexNet's errors are of 1000 classes of the full public set: this mce is not comparable with published mCE"
)
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
class Answered:
    """Which answers were right.

    ``right`` is (images, cells) of int8: 1 right, 0 wrong, -1 where there is no such copy or it could not be read.
    ``cells`` names the columns; ``missing`` are the corruptions and severities of the protocol that there are not.
    """

    right: np.ndarray
    cells: tuple[Cell, ...]
    missing: Mapping[str, list[int]]

    @property
    def everywhere(self) -> np.ndarray:
        """(images,) bool: those with a copy in every cell. Means over cells are over these, each image once."""
        return np.asarray((self.right >= 0).all(axis=1))

    def shares(self, cells: Sequence[Cell]) -> np.ndarray:
        """For each image that is everywhere the share of right answers on its copies in ``cells``."""
        columns = [self.cells.index(cell) for cell in cells]
        return self.right[self.everywhere][:, columns].mean(axis=1, dtype=np.float64)


def corruption_entries(
    answered: Answered, condition: dict[str, Any], details: dict[str, Any], *, seed: int
) -> tuple[list[Result], dict[ResultKey, np.ndarray]]:
    """``top1`` of each cell and of each corruption whose five severities are there, and ``mean_top1`` of all 75.

    Where some of the 75 are missing ``mean_top1`` is undefined (None), its details name them, and
    ``mean_top1_of_present`` is the mean over those that are there. Cells weigh the same. Means are over the images
    that are in every cell; cells that lack some are named in ``details.uneven``. ``n`` counts images. Intervals:
    Wilson's for a cell, for means the bootstrap over images, whose values are the means over their copies.

    Args:
        answered: which answers were right.
        condition: of every figure.
        details: of ``mean_top1``.
        seed: of the resampling.

    Returns:
        The figures, and for the means the images' own values (n, 1), of the images that are everywhere.
    """
    doubt = _uneven(answered)
    entries, per_image = [], dict[ResultKey, np.ndarray]()
    for column, (corruption, severity) in enumerate(answered.cells):
        there = answered.right[:, column] >= 0
        n, right = int(there.sum()), int((answered.right[:, column] == 1).sum())
        where = {**condition, "corruption": corruption, "severity": severity}
        entries.append(
            Result(EVALUATOR, "top1", right / n if n else None, n, wilson(right, n), where, {"right": right})
        )
    for corruption in CORRUPTIONS:
        if corruption not in answered.missing:
            shares = answered.shares([(corruption, severity) for severity in SEVERITIES])
            entry = _mean("top1", shares, {**condition, "corruption": corruption}, doubt, seed)
            entries.append(entry)
            per_image[entry.key] = shares[:, None]
    shares = answered.shares(answered.cells)
    if answered.missing:
        lacking = {"missing": dict(answered.missing), "warning": _lacking(answered)}
        entries.append(Result(EVALUATOR, "mean_top1", None, 0, None, condition, {**details, **lacking}))
        present: dict[str, list[int]] = {}
        for corruption, severity in answered.cells:
            present.setdefault(corruption, []).append(severity)
        entry = _mean("mean_top1_of_present", shares, condition, {"present": present, **doubt}, seed)
    else:
        entry = _mean("mean_top1", shares, condition, {**details, **doubt}, seed)
    entries.append(entry)
    per_image[entry.key] = shares[:, None]
    return entries, per_image


def mean_corruption_error(answered: Answered, condition: dict[str, Any], *, full: bool, seed: int) -> Result:
    """``mce``, of a set with all 75 cells: the errors relative to AlexNet's.

    CE of a corruption = the sum of the errors over its five severities / (5 x AlexNet's mean error); mce is the mean
    over the 15. 1 is AlexNet; it may exceed that. ``n`` counts images, the interval is the bootstrap's over them. Where
    this is not the full public set ``details.warning`` says so.

    Args:
        answered: which answers were right.
        condition: of the figure.
        full: whether this is the full public set, on which AlexNet's errors were measured.
        seed: of the resampling.
    """
    errors = {
        corruption: 1 - answered.shares([(corruption, severity) for severity in SEVERITIES])
        for corruption in CORRUPTIONS
    }
    relative = {name: error / ALEXNET_ERRORS[name] for name, error in errors.items()}
    doubt = _uneven(answered)
    if not full:
        doubt["warning"] = "; ".join([NOT_PUBLIC, *filter(None, [doubt.get("warning")])])
    details = {
        "per_corruption": {name: float(error.mean()) if len(error) else None for name, error in relative.items()},
        "alexnet": ALEXNET,
        "full_public_set": full,
        **doubt,
    }
    return _mean("mce", np.mean(list(relative.values()), axis=0), condition, details, seed)


def _mean(metric: str, shares: np.ndarray, condition: dict[str, Any], details: dict[str, Any], seed: int) -> Result:
    interval = mean_interval(shares, seed=seed)
    value = float(shares.mean()) if len(shares) else None
    return Result(EVALUATOR, metric, value, len(shares), interval, condition, dict(details))


def _uneven(answered: Answered) -> dict[str, Any]:
    """Cells that lack images which others have, by their counts; nothing where all are even."""
    images = len(answered.right)
    counts = (answered.right >= 0).sum(axis=0).tolist()
    short = {
        f"{corruption}/{severity}": count
        for (corruption, severity), count in zip(answered.cells, counts, strict=True)
        if count < images
    }
    if not short:
        return {}
    name, count = next(iter(short.items()))
    return {
        "uneven": short,
        "warning": f"{len(short)} of {len(counts)} severities lack images that others have (first {name}: {count} of "
        f"{images}): the means are over the {int(answered.everywhere.sum())} images that all have",
    }


def _lacking(answered: Answered) -> str:
    """What is missing, in words: ``fog and frost, snow at 4 and 5``."""
    said = [
        name if len(severities) == len(SEVERITIES) else f"{name} at {' and '.join(map(str, severities))}"
        for name, severities in answered.missing.items()
    ]
    wanted = len(CORRUPTIONS) * len(SEVERITIES)
    return (
        f"mean_top1 is undefined, {wanted - len(answered.cells)} of {wanted} severities are missing: {', '.join(said)}"
    )
