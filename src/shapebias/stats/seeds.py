"""The mean over random seeds and its interval: Student's t, since there are few of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shapebias.stats.intervals import Interval


def seed_interval(values: Sequence[float], over_images: Interval | None, by: str) -> tuple[Interval | None, str]:
    """Return the interval of the mean of ``values``, one per seed, and its kind in words, for ``details.interval``.

    Student's t over seeds where two or more differ; with one seed, or where all give the same, ``over_images``.

    Args:
        values: one result per seed, fractions; of a single training just that.
        over_images: the interval of the first one over the images measured.
        by: how that was made, such as "bootstrap over images".
    """
    defined = {value for value in values if math.isfinite(value)}
    if defined and not all(map(math.isfinite, values)):
        return None, "none, as the result of a seed is undefined"
    if len(defined) > 1:
        return t_interval(values), f"Student's t of the mean over {len(values)} seeds"
    return over_images, by + (f", as all {len(values)} seeds give the same" if len(values) > 1 else "")


def t_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of the mean of ``values`` by Student's t, clipped to [0, 1]; None for fewer than two.

    It covers the mean over other seeds on the same test images. Two seeds make it wide: 12.7 standard errors to each
    side.

    Args:
        values: one result per seed, fractions.

    >>> [round(end, 3) for end in t_interval([0.50, 0.52, 0.54])]
    [0.47, 0.57]
    """
    if len(values) < 2:
        return None
    given = np.asarray(values, dtype=np.float64)
    half = t_quantile(len(given) - 1) * float(given.std(ddof=1)) / math.sqrt(len(given))
    return max(0.0, float(given.mean()) - half), min(1.0, float(given.mean()) + half)


def t_quantile(freedom: int, share: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t with ``freedom`` degrees: P(|t| < quantile) = ``share``.

    The probability is a finite sum in the angle whose tangent is t / sqrt(freedom) (Abramowitz & Stegun 26.7.3-4),
    inverted by bisection.

    >>> round(t_quantile(1), 3), round(t_quantile(4), 3)
    (12.706, 2.776)
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _probability_within(angle, freedom) < share else (low, angle)
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def _probability_within(angle: float, freedom: int) -> float:
    """P(|t| < sqrt(freedom) tan(angle))."""
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
