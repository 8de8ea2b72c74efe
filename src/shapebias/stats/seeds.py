"""The mean over random seeds and its interval: Student's t, since there are few of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shapebias.stats.intervals import Interval, t_quantile


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
