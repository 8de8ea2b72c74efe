"""The bootstrap over images: percentile intervals, with or without bias correction, of means, ratios and differences.

Images are drawn with replacement, as many as there are. ``bootstrap`` takes any statistic of column means; statistics
of another kind, such as average precision, take ``resampled_counts`` and ``percentile_interval`` apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from shapebias.stats.crossed import Crossed, covariances
from shapebias.stats.intervals import Z95, Interval, t_quantile, wilson
from shapebias.stats.streams import Draw, stream

RESAMPLES = 2000
_CELLS = 1 << 22  # counts held in memory at once, resamples x rows
_NORMAL = 2000  # images from which on the interval of a mean is the normal one, if they are not skewed
_SKEWNESS = 0.05  # of a mean, which moves an end by 1/42 of the standard error; the bootstrap's own error is 1/17
_FEW = 10  # images that decide one way, below which the percentiles of a ratio are too narrow


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
    rows, counts = distinct_rows(np.asarray(data, dtype=np.float64))
    draws = _draws(statistic, rows, counts, seed=seed, resamples=resamples)
    estimate = float(statistic(data.mean(0, keepdims=True))[0]) if bias_corrected else None
    return percentile_interval(draws, bias_corrected_for=estimate, bounds=bounds)


def _draws(
    statistic: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, counts: np.ndarray, *, seed: int, resamples: int
) -> np.ndarray:
    """Return the statistic (resamples,) of resamples of the data, given by its different rows and their counts."""
    n = counts.sum()
    means = [drawn @ rows / n for drawn in resampled_counts(counts, seed=seed, resamples=resamples)]
    return statistic(np.concatenate(means))


def distinct_rows(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different rows of ``data`` (n, columns), sorted, and how often each occurs.

    Rows of -1, 0 and 1, as decisions and their differences are, are counted without sorting.
    """
    columns = data.shape[1]
    if columns <= 8 and np.isin(data, (-1.0, 0.0, 1.0)).all():
        places = 3 ** np.arange(columns)[::-1]
        counts = np.bincount(((data + 1) @ places).astype(np.intp))
        codes = np.flatnonzero(counts)
        return (codes[:, None] // places % 3 - 1).astype(np.float64), counts[codes]
    return np.unique(data, axis=0, return_counts=True)


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
    n, rng = int(counts.sum()), stream(Draw.RESAMPLES, seed)
    size = max(1, _CELLS // len(counts))
    for start in range(0, resamples, size):
        yield rng.multinomial(n, counts / n, size=min(size, resamples - start))


def mean_interval(values: ArrayLike, *, seed: int) -> Interval | None:
    """Return the bootstrap interval of the mean of ``values`` (n,); None for n = 0.

    Of many values it is the normal interval, which the bootstrap's equals to within its own random error, unless they
    are so skewed that it does not.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    if n == 0:
        return None
    mean = float(data.mean())
    away = data - mean
    squares = away * away
    deviation = math.sqrt(squares.mean())
    symmetric = abs((squares * away).mean()) <= _SKEWNESS * math.sqrt(n) * deviation**3
    rows = None if n > _NORMAL and symmetric else distinct_rows(data[:, None])
    if rows is None or len(rows[0]) > _NORMAL:
        half = Z95 * deviation / math.sqrt(n)
        return mean - half, mean + half
    return percentile_interval(_draws(lambda means: means[:, 0], *rows, seed=seed, resamples=RESAMPLES))


def ratio_interval(pairs: np.ndarray, crossed: Crossed | None = None, *, seed: int) -> Interval | None:
    """Return the interval of a ratio of sums; None where it is undefined.

    It is the bootstrap's over images, or Wilson's where fewer than ten images decide one way. Of images that share
    photographs it is Wilson's over the effective number of decisions.

    Args:
        pairs: (n, 2), numerator and denominator of each image, as (decision by shape, decision by either cue).
        crossed: the photographs that the images are made of; None for independent images.
        seed: random seed of the resampling.
    """
    if crossed is not None:
        return crossed.interval(pairs)
    if _few(pairs):
        return wilson(*pairs.sum(0).tolist())
    return bootstrap(_ratio, pairs, seed=seed)


def paired_difference(a: ArrayLike, b: ArrayLike, *, seed: int) -> tuple[float, Interval | None]:
    """Return the mean of ``a`` minus the mean of ``b`` over the same images, with its bootstrap interval."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(difference.mean()), mean_interval(difference, seed=seed)


def ratio_difference(
    a: np.ndarray, b: np.ndarray, crossed: Crossed | None = None, *, seed: int
) -> tuple[float, Interval | None]:
    """Return the difference of two ratios of sums over the same images, with its paired interval.

    ``a`` and ``b`` are (n, 2) as in ``ratio_interval``: two models' shape bias, say. The interval is the paired
    bootstrap's over images; of images that share photographs it is Student's t. Where fewer than ten images decide one
    way for ``a`` or ``b``, both ends follow from the two ratios' intervals and their correlation (R. G. Newcombe 1998).
    NaN and None where undefined.
    """
    both = np.concatenate([a, b], axis=1)
    if len(a) == 0 or not (a[:, 1].any() and b[:, 1].any()):
        return math.nan, None

    def difference(means: np.ndarray) -> np.ndarray:
        return _ratio(means[:, :2]) - _ratio(means[:, 2:])

    value = float(difference(both.mean(0, keepdims=True))[0])
    if np.array_equal(a, b):
        return value, (0.0, 0.0)
    if crossed is None and not (_few(a) or _few(b)):
        return value, bootstrap(difference, both, seed=seed)
    of_a, of_b, of_both = covariances(a, b, crossed)
    if crossed is not None and not (_few(a) or _few(b)):
        half = t_quantile(crossed.freedom) * math.sqrt(of_both)
        return value, (value - half, value + half)
    ends = [ratio_interval(pairs, crossed, seed=seed) for pairs in (a, b)]
    rates = [float(_ratio(pairs.mean(0, keepdims=True))[0]) for pairs in (a, b)]
    (below_a, above_a), (below_b, above_b) = (
        (rate - end[0], end[1] - rate) if end else (0.0, 0.0) for rate, end in zip(rates, ends, strict=True)
    )
    shared = (of_a + of_b - of_both) / 2
    correlation = max(-1.0, min(1.0, shared / math.sqrt(of_a * of_b))) if of_a * of_b > 0 else 0.0

    def joined(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x + y * y - 2 * correlation * x * y))

    return value, (value - joined(below_a, above_b), value + joined(above_a, below_b))


def _few(pairs: np.ndarray) -> bool:
    """Return whether so few images decide one way that the percentiles of a bootstrap are too narrow."""
    shape, decided = pairs.sum(0)
    return min(shape, decided - shape) < _FEW


def _ratio(means: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return means[:, 0] / means[:, 1]
