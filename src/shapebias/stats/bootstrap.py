"""The bootstrap over images: percentile intervals, with or without bias correction, of means, ratios and differences.

Images are drawn with replacement, as many as there are. ``bootstrap`` takes any statistic of column means; statistics
of another kind, such as average precision, take ``resampled_counts`` and ``percentile_interval`` apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from shapebias.stats.intervals import Interval

RESAMPLES = 2000
_CELLS = 1 << 22  # counts held in memory at once, resamples x rows


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    data: np.ndarray,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    bias_corrected: bool = False,
    bounds: Interval | None = None,
) -> Interval | None:
    """Return the 95 % percentile interval of a statistic of column means of ``data``, resampling its rows.

    Equal rows are drawn together, by how often they occur: decisions are of four kinds, however many images there are.

    Args:
        statistic: maps (resamples, columns) means to (resamples,) values; NaN where undefined.
        data: (n, columns), one row per image or trial.
        seed: random seed of the resampling.
        resamples: number of resamples.
        bias_corrected: shift the interval by the bootstrap estimate of bias, for a statistic that resampling raises or
            lowers; see ``percentile_interval``.
        bounds: clip the interval to these.

    Returns:
        The interval, or None if no value is defined.
    """
    if len(data) == 0:
        return None
    rows, counts = np.unique(np.asarray(data, dtype=np.float64), axis=0, return_counts=True)
    means = [drawn @ rows / len(data) for drawn in resampled_counts(counts, seed=seed, resamples=resamples)]
    draws = statistic(np.concatenate(means))
    estimate = float(statistic(data.mean(0, keepdims=True))[0]) if bias_corrected else None
    return percentile_interval(draws, bias_corrected_for=estimate, bounds=bounds)


def percentile_interval(
    draws: np.ndarray, *, bias_corrected_for: float | None = None, bounds: Interval | None = None
) -> Interval | None:
    """Return the 2.5 and 97.5 percentiles of the finite values among ``draws`` (resamples,); None if there are none.

    Args:
        draws: the statistic of each resample.
        bias_corrected_for: the statistic of the data itself. Both ends are lowered by the bootstrap estimate of bias,
            the mean of the draws less this value (Efron & Tibshirani 1993, section 10.2).
        bounds: clip both ends to these.

    >>> percentile_interval(np.array([0.0, 1.0, 2.0, np.nan]))
    (0.05, 1.95)
    >>> percentile_interval(np.array([0.0, 1.0, 2.0]), bias_corrected_for=0.5, bounds=(0.0, 1.0))
    (0.0, 1.0)
    """
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return None
    ends = np.percentile(draws, [2.5, 97.5])
    if bias_corrected_for is not None:
        ends = ends - (draws.mean() - bias_corrected_for)
    low, high = ends if bounds is None else np.clip(ends, *bounds)
    return float(low), float(high)


def resampled_counts(counts: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Draw how often each row occurs in resamples of the data, in blocks (some, rows) of all ``resamples``.

    The draws depend on the seed, ``counts`` and ``resamples`` alone, so those of two models on the same images are
    paired.

    Args:
        counts: (rows,), how often each row occurs in the data, 1 or more in total.
        seed: random seed.
        resamples: number of resamples.
    """
    n, rng = int(counts.sum()), np.random.default_rng(seed)
    size = max(1, _CELLS // len(counts))
    for start in range(0, resamples, size):
        yield rng.multinomial(n, counts / n, size=min(size, resamples - start))


def mean_interval(values: ArrayLike, *, seed: int) -> Interval | None:
    """Return the bootstrap interval of the mean of ``values`` (n,); None for n = 0."""
    return bootstrap(lambda means: means[:, 0], np.asarray(values, dtype=np.float64)[:, None], seed=seed)


def ratio_interval(pairs: np.ndarray, *, seed: int) -> Interval | None:
    """Return the bootstrap interval of a ratio of sums; None where it is undefined.

    ``pairs`` (n, 2) has the numerator and denominator of each image, as (decision by shape, decision by either cue).
    """
    return bootstrap(_ratio, pairs, seed=seed)


def paired_difference(a: ArrayLike, b: ArrayLike, *, seed: int) -> tuple[float, Interval | None]:
    """Return the mean of ``a`` minus the mean of ``b`` over the same images, with its bootstrap interval."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(difference.mean()), mean_interval(difference, seed=seed)


def ratio_difference(a: np.ndarray, b: np.ndarray, *, seed: int) -> tuple[float, Interval | None]:
    """Return the difference of two ratios of sums over the same images, with its paired bootstrap interval.

    ``a`` and ``b`` are (n, 2) as in ``ratio_interval``: two models' shape bias, say. NaN and None where undefined.
    """
    if len(a) == 0:
        return math.nan, None
    both = np.concatenate([a, b], axis=1)

    def difference(means: np.ndarray) -> np.ndarray:
        return _ratio(means[:, :2]) - _ratio(means[:, 2:])

    return float(difference(both.mean(0, keepdims=True))[0]), bootstrap(difference, both, seed=seed)


def _ratio(means: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return means[:, 0] / means[:, 1]
