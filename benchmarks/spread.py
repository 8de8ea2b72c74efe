"""Text of the ratios of paired runs and the processor's name, shared by the benchmarks that take two kinds in turn."""

from __future__ import annotations

import platform
import re
import statistics
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch


def spread(ratios: Sequence[float], digits: int) -> str:
    """Return the median ratio of the pairs, its quartiles, the number of pairs and that of threads."""
    low, *_, high = statistics.quantiles(ratios, n=4)
    median, lower, upper = (f"{value:.{digits}f}" for value in (statistics.median(ratios), low, high))
    return f"{median} (quartiles {lower} to {upper}, {len(ratios)} pairs, {torch.get_num_threads()} threads)"


def processor() -> str:
    """Return the processor's name, as Linux tells it, or the platform's."""
    with suppress(OSError):
        if found := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
            return found[1]
    return platform.processor() or platform.machine()
