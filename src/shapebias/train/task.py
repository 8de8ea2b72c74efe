"""A task as the loop sees it: what is shown in a phase, how a batch becomes a loss, how the learning rate goes.

Training by a scheme, fine-tuning on another task and segmentation are all this; the loop knows no more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from shapebias.data.samplers import Key
from shapebias.train.schedule import Schedule


class Batch(Protocol):
    """What one step trains on; ``unreadable`` names the files that others stand in for."""

    unreadable: list[str]

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Self:
        """The batch on ``device``, images in ``memory_format``."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What is in it, by name, for keeping a batch that went wrong."""
        ...


class Samples(Protocol):
    """Maps (epoch, index) to a sample: the same sample for the same key, always."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key) -> Any: ...

    def collate(self, samples: list[Any]) -> Batch:
        """Samples to a batch."""
        ...

    def files(self, keys: Sequence[Key]) -> list[str]:
        """The files that the samples come from."""
        ...


@dataclass
class StepOutput:
    """A step's loss and what is worth watching, still on the device; ``values`` are scalars by column name."""

    loss: Tensor
    values: dict[str, Tensor]


@dataclass(frozen=True)
class TrainingTask:
    """One phase of a task.

    ``forward(model, batch, epoch)`` gives the loss and the values to watch, ``epoch`` being the time in the
    phase as a fraction; ``warn(averages)`` looks at an epoch's averages.
    """

    name: str
    samples: Samples
    schedule: Schedule
    batch_size: int
    images_per_sample: int
    forward: Callable[[Callable[..., Any], Any, float], StepOutput]
    warn: Callable[[dict[str, float]], str | None] = lambda _averages: None


@dataclass
class Position:
    """Where a run is: the phase, its epoch, and the steps done in that epoch."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
