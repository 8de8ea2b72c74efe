"""A training as the loop sees it: its phases, how a batch becomes a loss, how the result is evaluated and saved.

Training by a scheme, fine-tuning on another task, segmentation and the ablation are each one of these.
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
    """A step's loss and the values to log, still on the device; ``values`` are scalars by column name."""

    loss: Tensor
    values: dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """The learning rate of one phase.

    A linear rise over ``warmup_epochs`` (at most a tenth of the phase); then a cosine down to zero, or
    the ``peak`` divided by ten every ``drop_every`` epochs, as the published ImageNet recipes do.
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
    """One stretch of a training, with samples, loss and schedule of its own.

    ``loss(model, batch, epoch)`` gives the loss and the values to log, ``epoch`` being the time in the phase as a
    fraction; ``warn(averages)`` looks at an epoch's averages and may return a warning.
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
    """All of a training.

    Args:
        info: what the run's files state of it.
        model: a module that holds all its weights in ``network``; it holds the result afterwards.
        phases: in their order.
        save: writes the trained model to a file and returns the file's SHA-256.
        evaluate: from a model, an interruption and a function that notes unreadable images to columns of an epoch's
            row; it may stop early once the interruption has come.
        begin: called on every rank when the folder is claimed, before the first step.
    """

    info: RunInfo
    model: nn.Module
    phases: Sequence[TrainingPhase]
    save: Callable[[Path, Any], str]
    evaluate: Evaluate = lambda _model, _interruption, _note: {}
    begin: Callable[[], None] = lambda: None
