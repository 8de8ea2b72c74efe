"""Text of the ratios of paired runs, shared by the benchmarks that take two kinds of step in turn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch


def spread(ratios: Sequence[float], digits: int) -> str:
    """Return the median ratio of the pairs, its quartiles, the number of pairs and that of threads."""
    low, *_, high = statistics.quantiles(ratios, n=4)
    median, lower, upper = (f"{value:.{digits}f}" for value in (statistics.median(ratios), low, high))
    return f"{median} (quartiles {lower} to {upper}, {len(ratios)} pairs, {torch.get_num_threads()} threads)"
