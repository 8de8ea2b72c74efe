"""What a training epoch looked like: averages of the steps' values, and the bar that shows them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import Tensor

from shapebias.progress import Bar

STEPS_BETWEEN_READINGS = 10
SHOWN = ("loss", "natural", "stylized", "mmsi", "rho")


class Readings:
    """Sums of a step's values, kept on the device and read now and then, so that steps do not wait."""

    def __init__(self, bar: Bar) -> None:
        self.bar, self.sums, self.count, self.pending = bar, defaultdict[str, Any](float), 0, 0

    def add(self, values: dict[str, Tensor], images: int) -> None:
        """Take in one step's scalars, and how many images it passed."""
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value
        self.count += 1
        self.pending += images
        if self.count % STEPS_BETWEEN_READINGS == 0:
            shown = {n: float(values[n]) for n in SHOWN if n in values}
            self.bar.advance(self.pending, **shown)
            self.pending = 0

    def averages(self) -> dict[str, float]:
        """The means over the epoch's steps."""
        self.bar.advance(self.pending)
        return {name: float(total) / self.count for name, total in self.sums.items()}
