"""What a training epoch looked like: sums of the steps' values, read from the device now and then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class MetricAccumulator:
    """Sums over an epoch's steps. Values stay on the device until ``read``, so that steps do not wait."""

    def __init__(self) -> None:
        self.window: list[dict[str, Tensor]] = []
        self.sums, self.count = defaultdict[str, float](float), 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Take in one step's scalars."""
        self.window.append(values)

    def read(self) -> list[dict[str, float]]:
        """The values of the steps since the last reading, step by step; waits for the device."""
        if not self.window:
            return []
        names = list(self.window[0])
        stacked = torch.stack([torch.stack([values[name].float() for name in names]) for values in self.window])
        self.window = []
        return [dict(zip(names, row, strict=True)) for row in stacked.tolist()]

    def count_in(self, ranks: Sequence[list[dict[str, float]]]) -> None:
        """Add the readings of every rank, averaged over the ranks, step by step and in their order."""
        for steps in zip(*ranks, strict=True):
            for name in steps[0]:
                self.sums[name] += sum(values[name] for values in steps) / len(steps)
            self.count += 1

    def averages(self) -> dict[str, float]:
        """The means over the epoch's steps so far."""
        return {name: total / self.count for name, total in self.sums.items()}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"sums": dict(self.sums), "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self.sums, self.count = defaultdict(float, state["sums"]), state["count"]
