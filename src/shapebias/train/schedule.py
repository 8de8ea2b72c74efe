"""What changes from step to step: the learning rate, and the MMSI term's weight."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from shapebias.train.config import LoopConfig, TrainConfig
from shapebias.train.schemes import Phase


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

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of the phase's ``step``, counted from 0."""
        total = self.epochs * steps_per_epoch
        warmup = max(1, min(int(self.warmup_epochs * steps_per_epoch), total // 10))
        if step < warmup:
            return self.peak * (step + 1) / warmup
        if self.kind == "step":
            return self.peak * 0.1 ** (step // steps_per_epoch // self.drop_every)
        return self.peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def schedule_of(config: LoopConfig) -> Schedule:
    """Return the schedule of a training loop's settings."""
    return Schedule(config.lr, config.epochs, config.schedule, config.warmup_epochs, config.drop_every)


def phase_schedule(phase: Phase, config: TrainConfig) -> Schedule:
    """Return the schedule of a phase: fine-tuning has epochs, rate and drops of its own."""
    if not phase.finetuning:
        return schedule_of(config.loop)
    return replace(
        schedule_of(config.loop),
        peak=config.finetune_lr,
        epochs=config.finetune_epochs,
        drop_every=config.finetune_drop_every,
    )


def ramp(epoch: float, over: float) -> float:
    """A factor that rises from 0 to 1 over the first ``over`` epochs; 1 where ``over`` is 0."""
    return min(1.0, epoch / over) if over else 1.0
