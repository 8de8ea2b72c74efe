"""95 % intervals: Wilson's for a share, the bootstrap for ratios and paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

Z95 = 1.959963984540054
RESAMPLES = 2000
_CELLS = 1 << 22  # of counts held at once, resamples x rows


def wilson(successes: int, n: int) -> tuple[float, float] | None:
    """Wilson's score interval for a share of ``successes`` in ``n``; None for n = 0.

    E. B. Wilson 1927; it keeps to [0, 1] and holds near 0 and 1, where the normal interval does not.
    """
    if n == 0:
        return None
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    data: np.ndarray,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    less_bias: bool = False,
) -> tuple[float, float] | None:
    """The percentile interval of a statistic of column means of ``data``, resampling its rows.

    Equal rows are drawn together, by how often they come: decisions are of four kinds, however many images there are.

    Args:
        statistic: maps (resamples, columns) means to (resamples,) values; NaN where undefined.
        data: (n, columns), one row per image or trial.
        seed: of the resampling.
        resamples: how many.
        less_bias: take from both ends how far the mean of the resamples lies above the statistic of ``data`` itself,
            for a statistic that resampling raises or lowers.

    Returns:
        The 2.5 and 97.5 percentiles of the defined values, or None if there are none.
    """
    if len(data) == 0:
        return None
    rng = np.random.default_rng(seed)
    rows, counts = np.unique(np.asarray(data, dtype=np.float64), axis=0, return_counts=True)
    at_once = max(1, _CELLS // len(rows))
    means = [
        rng.multinomial(len(data), counts / len(data), size=min(at_once, resamples - start)) @ rows / len(data)
        for start in range(0, resamples, at_once)
    ]
    values = statistic(np.concatenate(means))
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    bias = float(values.mean() - statistic(data.mean(0, keepdims=True))[0]) if less_bias else 0.0
    return float(low) - bias, float(high) - bias


def paired_difference(a: ArrayLike, b: ArrayLike, *, seed: int) -> tuple[float, tuple[float, float] | None]:
    """Mean of ``a`` minus mean of ``b`` over the same images, with its bootstrap interval."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(difference.mean()), bootstrap(lambda means: means[:, 0], difference[:, None], seed=seed)


def ratio_difference(a: np.ndarray, b: np.ndarray, *, seed: int) -> tuple[float, tuple[float, float] | None]:
    """The difference of two ratios of sums over the same rows, with its paired bootstrap interval.

    ``a`` and ``b`` are (n, 2): numerator and denominator of each image, as for two networks' shape bias
    (shape decision, decision of either cue).
    """
    if len(a) == 0:
        return math.nan, None
    both = np.concatenate([a, b], axis=1)

    def difference(means: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return means[:, 0] / means[:, 1] - means[:, 2] / means[:, 3]

    return float(difference(both.mean(0, keepdims=True))[0]), bootstrap(difference, both, seed=seed)
