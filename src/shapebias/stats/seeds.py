"""The mean over seeds and its interval: Student's t, since there are few of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Interval = tuple[float, float] | None


def interval_of(values: Sequence[float], over_images: Interval, by: str) -> tuple[Interval, str]:
    """The interval of the mean of ``values``, one per seed, and which it is, in words for ``details.interval``.

    Student's t over seeds where two or more differ; else, where there is one or all give the same, ``over_images``.

    Args:
        values: one figure per seed, fractions; of a single training just that.
        over_images: the interval of the first one over the images measured.
        by: how that was made, such as "bootstrap over images".
    """
    defined = {value for value in values if math.isfinite(value)}
    if defined and not all(map(math.isfinite, values)):
        return None, "none, as the figure of a seed is not defined"
    if len(defined) > 1:
        return t_interval(values), f"Student's t of the mean over {len(values)} seeds"
    return over_images, by + (f", as all {len(values)} seeds give the same" if len(values) > 1 else "")


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of ``values`` by Student's t, cut to [0, 1]; None for fewer than two.

    It says how far the mean over other seeds may lie, on the same test images. Two seeds make it wide: 12.7 standard
    errors to each side.

    Args:
        values: one figure per seed, fractions.
    """
    if len(values) < 2:
        return None
    given = np.asarray(values, dtype=np.float64)
    half = t_quantile(len(given) - 1) * float(given.std(ddof=1)) / math.sqrt(len(given))
    return max(0.0, float(given.mean()) - half), min(1.0, float(given.mean()) + half)


def t_quantile(freedom: int, share: float = 0.95) -> float:
    """The number that Student's t with ``freedom`` degrees stays below, in absolute value, with probability ``share``.

    The probability is a finite sum in the angle whose tangent is t / sqrt(freedom) (Abramowitz & Stegun 26.7.3-4),
    inverted by bisection.

    >>> round(t_quantile(1), 3), round(t_quantile(4), 3)
    (12.706, 2.776)
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < share else (low, angle)
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(|t| < sqrt(freedom) tan(angle))."""
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
