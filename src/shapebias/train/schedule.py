"""The learning rate: a short rise, then a cosine."""

from __future__ import annotations

import math


def learning_rate(peak: float, step: int, total: int, *, warmup: int) -> float:
    """Linear over the first ``warmup`` steps (at most a tenth of all), then a cosine down to zero."""
    warmup = max(1, min(warmup, total // 10))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
