"""Wilson's interval for a share, Student's t, p-values of one and several intervals; the type of every interval."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

Interval = tuple[float, float]
Z95 = 1.959963984540054


def wilson(successes: float, n: float, z: float = Z95) -> Interval | None:
    """Wilson's score interval for a share of ``successes`` in ``n``; None for n = 0.

    E. B. Wilson 1927; it stays within [0, 1] and holds near 0 and 1, where the normal interval does not. Neither count
    needs to be whole: of a clustered sample, both are effective numbers. ``z`` is the quantile, by default for 95 %.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return None
    share, z2 = successes / n, z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(max(0.0, share * (1 - share)) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@functools.cache
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


def p_value(value: float, interval: Interval | None, freedom: int | None = None) -> float | None:
    """Return the two-sided p-value of the hypothesis that a difference is 0, as its 95 % interval implies it.

    The end of the interval on the side of 0 states the standard error, and Student's t with ``freedom`` degrees (None:
    the normal distribution) the tails: p is below .05 where the interval excludes 0. None without an interval.

    >>> round(p_value(1.0, (0.0, 2.0)), 9), p_value(0.0, (-1.0, 1.0))
    (0.05, 1.0)
    """
    if interval is None or not math.isfinite(value):
        return None
    half = value - interval[0] if value > 0 else interval[1] - value
    if half <= 0:
        return 1.0 if value == 0 else 0.0
    if freedom is None:
        return math.erfc(abs(value) / half * Z95 / math.sqrt(2))
    t = abs(value) / half * t_quantile(freedom)
    return max(0.0, 1 - _probability_within(math.atan(t / math.sqrt(freedom)), freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (1979): of all tests together, one is wrong with a chance of 5 % below .05.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


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
