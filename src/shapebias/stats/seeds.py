"""The mean over random seeds, with its interval over seeds and images together.

Trained again with other seeds and tested on other images, the mean varies for both reasons. Over seeds, of which there
are few, its half width is Student's t; over images it is that of resampling the images for all seeds at once. The two
are independent, so that their squares add up, for each end apart (Zou and Donner 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shapebias.stats.intervals import Z95, Interval, t_quantile

IMAGES, BOTH = "images", "seeds and images"


def seed_interval(values: Sequence[float], over_images: Interval | None, by: str) -> tuple[Interval | None, str]:
    """Return the interval of the mean of ``values``, one per seed, and its kind in words, for ``details.interval``.

    With one seed, or where all give the same, it is ``over_images``, which does not cover other seeds.

    Args:
        values: one result per seed, fractions; of a single training just that.
        over_images: the interval of their mean over the images measured.
        by: how that was made, such as "bootstrap over images".

    >>> interval, kind = seed_interval([0.50, 0.52, 0.54], (0.48, 0.57), "bootstrap over images")
    >>> [round(end, 3) for end in interval], kind
    ([0.456, 0.59], "over seeds and images: Student's t over 3 seeds, bootstrap over images")
    """
    if any(map(math.isfinite, values)) and not all(map(math.isfinite, values)):
        return None, "none, as the result of a seed is undefined"
    if len(values) < 2 or over_images is None:
        return over_images, by
    if len(set(values)) == 1:
        return over_images, f"{by}, as all {len(values)} seeds give the same"
    variance, freedom = _variance(values)
    low, high = _widened(float(np.mean(values)), over_images, t_quantile(freedom) * math.sqrt(variance))
    return (max(0.0, low), min(1.0, high)), f"over {BOTH}: Student's t over {len(values)} seeds, {by}"


def seed_difference(
    a: Sequence[float], b: Sequence[float], over_images: Interval | None
) -> tuple[Interval | None, int | None, str]:
    """Return the interval of the mean of ``a`` minus that of ``b``, its degrees of freedom, and what it is over.

    Over seeds it is Welch's, the seeds of two models being independent. If either has one seed only, or all seeds of
    both give the same, it is ``over_images`` alone, with None for the degrees of freedom: the normal distribution's.

    Args:
        a: one result per seed of the first model.
        b: those of the second.
        over_images: the interval of the difference over the images measured.
    """
    if min(len(a), len(b)) < 2 or over_images is None or len(set(a)) == len(set(b)) == 1:
        return over_images, None, IMAGES
    (of_a, free_a), (of_b, free_b) = _variance(a), _variance(b)
    variance = of_a + of_b
    if not math.isfinite(variance):
        return None, None, BOTH
    scale = of_a**2 / free_a + of_b**2 / free_b
    half = t_quantile(max(1, int(variance**2 / scale))) * math.sqrt(variance)
    interval = _widened(float(np.mean(a) - np.mean(b)), over_images, half)
    of_images = ((over_images[1] - over_images[0]) / (2 * Z95)) ** 2
    return interval, max(1, min(1000, int((variance + of_images) ** 2 / scale))), BOTH


def _variance(values: Sequence[float]) -> tuple[float, int]:
    """Return the variance of the mean over seeds, and its degrees of freedom."""
    return float(np.var(values, ddof=1)) / len(values), len(values) - 1


def _widened(value: float, interval: Interval, half: float) -> Interval:
    """Return the interval of ``value`` with an independent half width added to either side."""
    return value - math.hypot(value - interval[0], half), value + math.hypot(interval[1] - value, half)
