"""A task for the training loop: its phases, the loss of a batch, and how the model is evaluated and saved.

Training with a scheme, fine-tuning on another task, segmentation and the ablation each define one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from shapebias.train.checkpoints import Interruption
from shapebias.train.config import LoopConfig
from shapebias.train.log import RunInfo
from shapebias.train.samples import Samples


@dataclass
class StepOutput:
    """The loss of a step and the scalar ``values`` to log by column name, all still on the device."""

    loss: Tensor
    values: dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """The learning rate schedule of one phase.

    The rate rises linearly over ``warmup_epochs`` (at most a tenth of the phase); then it follows a cosine to zero, or
    is divided by ten every ``drop_every`` epochs, as in the published ImageNet recipes.
    """

    peak: float
    epochs: int
    kind: Literal["cosine", "step"] = "cosine"
    warmup_epochs: float = 1.0
    drop_every: int = 20

    @classmethod
    def of(cls, config: LoopConfig) -> Schedule:
        """Return the schedule of a loop's settings."""
        return cls(config.lr, config.epochs, config.schedule, config.warmup_epochs, config.drop_every)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of the phase's ``step``, counted from 0."""
        total = self.epochs * steps_per_epoch
        warmup = max(1, min(int(self.warmup_epochs * steps_per_epoch), total // 10))
        if step < warmup:
            return self.peak * (step + 1) / warmup
        if self.kind == "step":
            return self.peak * 0.1 ** (step // steps_per_epoch // self.drop_every)
        return self.peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


@dataclass(frozen=True)
class TrainingPhase:
    """One phase of a training, with its own samples, loss and schedule.

    ``loss(model, batch, epoch)`` returns the loss and the values to log; ``epoch`` is the time in the phase, in
    fractional epochs. ``warn(averages)`` checks the averages of an epoch and may return a warning.
    """

    name: str
    samples: Samples
    schedule: Schedule
    batch_size: int
    loss: Callable[[Callable[..., Any], Any, float], StepOutput]
    images_per_sample: int = 1
    warn: Callable[[dict[str, float]], str | None] = lambda _averages: None


Evaluate = Callable[[Any, Interruption, Callable[[Sequence[str]], None]], dict[str, float | None]]


@dataclass(frozen=True)
class TrainingTask:
    """A task for the training loop.

    Args:
        info: information for the run's files.
        model: a module with all its weights in ``network``; it has the trained weights afterwards.
        phases: the phases, in order.
        save: writes the trained model to a file and returns the file's SHA-256.
        evaluate: takes a model, an interruption and a function that records unreadable images, and returns columns of
            an epoch's row; it may stop early after an interruption.
        begin: called on every rank after the folder is claimed and before the first step.
    """

    info: RunInfo
    model: nn.Module
    phases: Sequence[TrainingPhase]
    save: Callable[[Path, Any], str]
    evaluate: Evaluate = lambda _model, _interruption, _note: {}
    begin: Callable[[], None] = lambda: None
