"""One phase of training as the loop sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.schedule import Schedule
from shapebias.train.step import Outcome


@dataclass(frozen=True)
class Work:
    """What is shown in a phase, how a batch becomes a loss, and how the learning rate goes.

    ``forward(model, batch, epoch)`` gives the loss and the values to watch, ``epoch`` being the time in the
    phase as a fraction; ``warn(averages)`` looks at an epoch's averages.
    """

    name: str
    samples: TrainingSamples
    schedule: Schedule
    batch_size: int
    images_per_sample: int
    forward: Callable[[Callable[..., Any], Batch, float], Outcome]
    warn: Callable[[dict[str, float]], str | None]


@dataclass
class Position:
    """Where a run is: the phase, its epoch, and the steps done in that epoch."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
