"""Wilson's interval for a share; the type that every interval has."""

from __future__ import annotations

import math

Interval = tuple[float, float]
Z95 = 1.959963984540054


def wilson(successes: int, n: int) -> Interval | None:
    """Wilson's 95 % score interval for a share of ``successes`` in ``n``; None for n = 0.

    E. B. Wilson 1927; it stays within [0, 1] and holds near 0 and 1, where the normal interval does not.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return None
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
