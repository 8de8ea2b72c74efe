"""Average precision of multi-label classification, in the three kinds that results are published in.

All walk down the distinct scores as thresholds: images of equal score enter together, so that their order in the data
changes nothing. With p(r) the precision where the recall reaches r, and e(r) the highest precision at any recall of r
or more:

- ``ap``: the sum of p over the steps of the recall, not interpolated (scikit-learn's ``average_precision_score``);
- ``ap_voc2010``: the area below e, over all points (Pascal VOC from 2010 on);
- ``ap_voc2007``: the mean of e at the recalls 0, 0.1 ... 1 (Pascal VOC up to 2009; Everingham et al. 2010). Recalls are
  compared as whole numbers: 3 of 10 positives reach 0.3. Tools that step by 0.1 in floating point ask for
  0.30000000000000004 there (likewise at 0.6 and 0.7), and give a lower value where a recall is exactly that.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from shapebias.errors import UserError, unknown
from shapebias.stats.bootstrap import RESAMPLES, percentile_interval, resampled_counts
from shapebias.stats.intervals import Interval

Kind = Literal["ap", "ap_voc2010", "ap_voc2007"]


class MeanAP(NamedTuple):
    """Mean AP over the classes that have a positive; ``per_class`` (k,) is NaN for the ``absent`` ones."""

    value: float
    per_class: np.ndarray
    absent: int


class _Ranking(NamedTuple):
    """A class's images by falling score, down to the last positive, in steps that each end at a threshold."""

    images: np.ndarray  # indices of the images
    starts: np.ndarray  # of each step among ``images``; every step has a positive
    positives: np.ndarray  # indices of the positive images
    firsts: np.ndarray  # the first of each step among ``positives``


def average_precision(
    scores: np.ndarray, truth: np.ndarray, valid: np.ndarray | None = None, kind: Kind = "ap"
) -> float:
    """Return the average precision of one class; NaN without a positive.

    Args:
        scores: (n,), higher for images that more likely show the class.
        truth: (n,) bool, True for images that show it.
        valid: (n,) bool; images where it is False are ignored (VOC's "difficult"). Default: none.
        kind: see the module's text.

    Raises:
        ValueError: other shapes or types.
        UserError: scores that are NaN, or an unknown kind.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    scores, truth = np.asarray(scores), np.asarray(truth)
    valid = None if valid is None else np.asarray(valid)[..., None]
    return mean_average_precision(scores[..., None], truth[..., None], valid, kind).value


def mean_average_precision(scores: np.ndarray, truth: np.ndarray, valid: np.ndarray | None, kind: Kind) -> MeanAP:
    """Return the mean over classes of the average precision; NaN if no class has a positive.

    Args:
        scores: (n, k), higher for images that more likely show the class.
        truth: (n, k) bool, True for images that show it.
        valid: (n, k) bool; an image where it is False is ignored for that class. None: all are valid.
        kind: see the module's text.

    Raises:
        ValueError: other shapes or types.
        UserError: scores that are NaN, or an unknown kind.
    """
    rankings = _rankings(scores, truth, valid, kind)
    once = np.ones((len(scores), 1), dtype=np.int32)
    per_class = np.array([_areas(ranking, once, kind)[0] for ranking in rankings])
    absent = np.isnan(per_class)
    value = float(per_class[~absent].mean()) if not absent.all() else float("nan")
    return MeanAP(value, per_class, int(absent.sum()))


def mean_ap_draws(
    scores: np.ndarray,
    truth: np.ndarray,
    valid: np.ndarray | None,
    kind: Kind,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """Return the mean AP of each resample of the images, (resamples,).

    Its mean is over the classes with a positive in the resample, NaN if there is none. The draws depend on the seed and
    the numbers of images and resamples alone, so those of two models on the same images are paired. See
    ``mean_average_precision`` for the arguments and errors.
    """
    rankings = _rankings(scores, truth, valid, kind)
    if len(scores) == 0:
        return np.full(resamples, np.nan)
    values = []
    for drawn in resampled_counts(np.ones(len(scores)), seed=seed, resamples=resamples):
        times = np.ascontiguousarray(drawn.T, dtype=np.int32)  # images first: a class gathers whole rows
        areas = np.stack([_areas(ranking, times, kind) for ranking in rankings])
        present = ~np.isnan(areas)
        with np.errstate(invalid="ignore"):
            values.append(np.where(present, areas, 0).sum(0) / present.sum(0))
    return np.concatenate(values)


def mean_ap_interval(
    scores: np.ndarray,
    truth: np.ndarray,
    valid: np.ndarray | None,
    kind: Kind,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Return the bias-corrected 95 % interval of the mean AP, resampling images; None if no resample has a positive.

    With images drawn twice, tied positives raise the AP of small sets by several points, so that the percentiles alone
    would hardly hold the value itself.
    """
    draws = mean_ap_draws(scores, truth, valid, kind, seed=seed, resamples=resamples)
    value = mean_average_precision(scores, truth, valid, kind).value
    return percentile_interval(draws, bias_corrected_for=value, bounds=(0.0, 1.0))


def _rankings(scores: np.ndarray, truth: np.ndarray, valid: np.ndarray | None, kind: str) -> list[_Ranking]:
    """Check the arguments and rank the images for each class."""
    if kind not in get_args(Kind):
        raise unknown("kind of average precision", kind, get_args(Kind))
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    valid = np.ones(truth.shape, dtype=bool) if valid is None else np.asarray(valid)
    if scores.ndim != 2 or not scores.shape == truth.shape == valid.shape or scores.shape[1] == 0:
        raise ValueError(
            f"scores, truth and valid must be of one shape, not {scores.shape}, {truth.shape} and {valid.shape}"
        )
    if truth.dtype != bool or valid.dtype != bool:  # VOC's -1 would be taken for true
        raise ValueError(f"truth and valid must be bool, not {truth.dtype} and {valid.dtype}")
    if rows := int(np.isnan(scores).any(1).sum()):
        raise UserError(f"the scores of {rows} of {len(scores)} images hold NaN: check the model that gave them")
    return [_ranked(*columns) for columns in zip(scores.T, truth.T, valid.T, strict=True)]


def _ranked(scores: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> _Ranking:
    kept = np.flatnonzero(valid)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    sorted_scores, rows = scores[order], np.flatnonzero(truth[order])
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True)) + 1  # where ties end
    # between positives the recall stays and the precision falls: their thresholds are all that any kind asks for
    ends = ends[np.unique(np.searchsorted(ends, rows, side="right"))]
    starts = np.append(0, ends)[: len(ends)]
    return _Ranking(order[: ends[-1] if len(ends) else 0], starts, order[rows], np.searchsorted(rows, starts))


def _areas(ranking: _Ranking, times: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the AP (draws,) of a class where image i occurs ``times[i]`` (n, draws) times; NaN without a positive."""
    if not len(ranking.starts):
        return np.full(times.shape[1], np.nan)
    found = np.add.reduceat(times[ranking.positives], ranking.firsts, axis=0, dtype=np.int64).cumsum(0)
    seen = np.add.reduceat(times[ranking.images], ranking.starts, axis=0, dtype=np.int64).cumsum(0)
    total = found[-1]
    precision = found / np.maximum(seen, 1)
    if kind != "ap":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if kind == "ap_voc2007":
        draws = np.arange(times.shape[1])
        reached = [(10 * found < tenth * total).sum(0) for tenth in range(11)]  # whole numbers: 0.3 is reached exactly
        area = sum(precision[row, draws] for row in reached) / 11
    else:
        area = (np.diff(found, axis=0, prepend=0) * precision).sum(0) / np.maximum(total, 1)
    return np.where(total > 0, area, np.nan)
