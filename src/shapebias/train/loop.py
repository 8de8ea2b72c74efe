"""The training loop over phases, epochs and steps, independent of schemes and tasks.

The random choices of a step depend only on (seed, epoch, step, rank), those of a sample only on (seed, epoch,
sample). A checkpoint therefore holds just a position, weights and sums, and a resumed run gives the same result as an
uninterrupted one.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from shapebias.data.loaders import EpochBatchSampler, batches_of, ignore_signals
from shapebias.errors import NotFinite, UserError
from shapebias.progress import Bar, progress
from shapebias.stats.streams import Draw, torch_seed
from shapebias.train.checkpoints import Checkpoints, deferred
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import everywhere, gathered, on_rank_zero, refuse, share_buffers
from shapebias.train.log import MetricAccumulator, RunLogger, write_bad_batch
from shapebias.train.optimizer import OptimizerStep
from shapebias.train.samples import Batch
from shapebias.train.task import TrainingPhase, TrainingTask

SHOWN = ("loss", "natural", "stylized", "mmsi", "rho")
STEPS_BETWEEN_READINGS = 10  # on a GPU, where reading values waits for the device


@dataclass
class Position:
    """The current phase and epoch of a run, and the number of steps done in that epoch."""

    phase: int = 0
    epoch: int = 0
    step: int = 0


class Loop:
    """Train a task's model through its phases, resuming from the newest checkpoint if there is one.

    Args:
        config: the settings.
        fabric: Fabric, already launched.
        task: the task to train.
        logger: log of the run, which writes its files.
    """

    def __init__(self, config: LoopConfig, fabric: Fabric, task: TrainingTask, logger: RunLogger) -> None:
        self.config, self.fabric, self.task, self.logger = config, fabric, task, logger
        self.checkpoints = Checkpoints(config.out, keep=config.keep_checkpoints)
        self.memory_format = torch.channels_last if config.channels_last else torch.contiguous_format
        self.trained: nn.Module = task.model.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        if config.compile:
            self.trained.compile()
        self.model = fabric.setup_module(self.trained)
        self.cadence = 1 if fabric.device.type == "cpu" else STEPS_BETWEEN_READINGS

    def run(self) -> None:
        """Train to the end of the last phase.

        Raises:
            UserError: the loss is not finite, an image is unreadable under ``strict``, or the checkpoint does not match
                the run.
            SystemExit, KeyboardInterrupt: SIGTERM or Ctrl-C was received; a checkpoint has been written.
        """
        state = self.checkpoints.newest()
        position = Position(**state["position"]) if state else Position()
        with deferred() as self.interruption:
            while position.phase < len(self.task.phases):
                self._run_phase(position, state)
                state = None
                position.phase, position.epoch = position.phase + 1, 0

    def _run_phase(self, position: Position, state: dict[str, Any] | None) -> None:
        config, fabric, phases = self.config, self.fabric, self.task.phases
        phase = phases[position.phase]
        self.update = OptimizerStep(config, fabric, self.model, self.trained, phase)
        self.metrics, self.last_saved = MetricAccumulator(), time.monotonic()
        if state is not None:
            self._restore(state)
        batches = EpochBatchSampler(
            len(phase.samples),
            phase.batch_size,
            seed=config.seed,
            rank=fabric.global_rank,
            ranks=fabric.world_size,
            parts=config.grad_accum_steps,
        )
        loader = DataLoader(
            phase.samples,
            batch_sampler=batches,
            num_workers=config.workers,
            persistent_workers=config.workers > 0,
            collate_fn=phase.samples.collate,
            worker_init_fn=ignore_signals,
            pin_memory=fabric.device.type == "cuda",
            generator=torch.Generator(),  # a separate one, so that iterating does not advance the global generator
        )
        per_step = batches.batch_size * phase.images_per_sample
        done = position.epoch * len(batches) + position.step
        total = phase.schedule.epochs * len(batches)
        title = self.task.info.title + (f" {phase.name}" if len(phases) > 1 else "")
        with progress(title, total=total * per_step, done=done * per_step, shown=fabric.is_global_zero) as bar:
            while position.epoch < phase.schedule.epochs:
                self._run_epoch(phase, position, batches, loader, bar)
        self.update.finish()
        if position.phase + 1 < len(phases):
            path = config.out / f"{phase.name}.safetensors"
            on_rank_zero(fabric, lambda: self.task.save(path, self.trained))

    def _run_epoch(
        self, phase: TrainingPhase, position: Position, batches: EpochBatchSampler, loader: DataLoader, bar: Bar
    ) -> None:
        batches.epoch, batches.first = len(self.logger.rows), position.step
        self.clock = time.monotonic()
        self.model.train()
        parts = self._parts(loader) if position.step < len(batches) else iter(())
        for step in range(position.step, len(batches)):
            seed_step(self.config.seed, batches.epoch, step, self.fabric.global_rank)
            rate = phase.schedule.rate(position.epoch * len(batches) + step, len(batches))
            self.metrics.add(self.update(parts, rate, position.epoch + step / len(batches)))
            position.step = step + 1
            if position.step % self.cadence == 0 or position.step == len(batches):
                self._synchronise(phase, position, batches, bar)
        share_buffers(self.fabric, self.update.result())
        evaluated = self.task.evaluate(self.update.result(), self.interruption, self.logger.note_unreadable)
        self._stop_if_asked(position, gathered(self.fabric, self.interruption.name))
        self._end_epoch(phase, position, evaluated)

    def _end_epoch(self, phase: TrainingPhase, position: Position, evaluated: dict[str, float | None]) -> None:
        averages, logger = self.metrics.averages(), self.logger
        self.metrics = MetricAccumulator()
        logger.end_epoch(phase.name, rate=self.update.rate, averages=averages, evaluated=evaluated)
        if (warning := phase.warn(averages)) and not logger.warnings:
            logger.warnings.append(warning)
            self.fabric.print(f"warning: {warning}", file=sys.stderr)
        position.epoch, position.step = position.epoch + 1, 0
        self._save(position)
        on_rank_zero(self.fabric, logger.write)

    def _parts(self, loader: DataLoader) -> Iterator[Batch]:
        for batch in batches_of(loader):
            self.logger.note_unreadable(batch.unreadable)
            yield batch.to(self.fabric.device, self.memory_format)

    def _synchronise(self, phase: TrainingPhase, position: Position, batches: EpochBatchSampler, bar: Bar) -> None:
        """Collect the values of the last steps from all ranks, stop if any rank must, and save a checkpoint if due."""
        logger, images = self.logger, batches.batch_size * phase.images_per_sample
        steps = self.metrics.read()
        start = position.step - len(steps)
        bad = next((start + n for n, values in enumerate(steps) if not math.isfinite(values["loss"])), None)
        now = time.monotonic()
        due = now - self.last_saved >= 60 * self.config.checkpoint_minutes
        reports = gathered(self.fabric, (steps, bad, sorted(logger.unreadable), self.interruption.name, due))
        readings, bads, unreadable, signals, dues = zip(*reports, strict=True)
        self.metrics.count_in(readings)
        logger.add_steps(len(steps), images=len(steps) * images, seconds=now - self.clock)
        self.clock = now
        logger.unreadable.update(*unreadable)
        bar.advance(len(steps) * images, **{name: steps[-1][name] for name in SHOWN if name in steps[-1]})
        if found := [(step, rank) for rank, step in enumerate(bads) if step is not None]:
            self._refuse(phase, batches, *min(found))
        if self.config.strict and logger.unreadable:
            reason = f"unreadable image {min(logger.unreadable)} (remove the file, or run without --strict)"
            refuse(self.fabric, UserError(reason))
        self._stop_if_asked(position, signals)
        if dues[0] and position.step < len(batches):
            self._save(position)

    def _refuse(self, phase: TrainingPhase, batches: EpochBatchSampler, step: int, rank: int) -> None:
        """Save the batch whose loss is not finite, and stop every rank."""
        path, samples = self.config.out / "bad-batch.safetensors", phase.samples

        def save() -> None:
            keys = [key for part in batches.keys(step) for key in part]
            write_bad_batch(path, samples.collate([samples[key] for key in keys]), samples.files(keys))

        everywhere(self.fabric, lambda: save() if self.fabric.global_rank == rank else None)
        whole = self.checkpoints.paths()
        last = f"the last good checkpoint is {whole[-1].name}" if whole else "there was no checkpoint yet"
        reason = (
            f"the loss is not finite at step {step + 1} of epoch {batches.epoch + 1} ({last}; the batch is saved in "
            f"{path}): try a lower --lr, --clip-norm 1 or --precision 32-true in another --out"
        )
        refuse(self.fabric, NotFinite(reason))

    def _stop_if_asked(self, position: Position, signals: list[str] | tuple[str, ...]) -> None:
        """Write a checkpoint and end if any rank has received a signal."""
        name = next(filter(None, signals), "")
        if name:
            self._save(position)
            self.fabric.barrier()
            self.interruption.name = name
            self.interruption.stop()

    def _save(self, position: Position) -> None:
        on_rank_zero(self.fabric, lambda: self._write(position))
        self.last_saved = time.monotonic()

    def _write(self, position: Position) -> None:
        state = {
            "identity": self.logger.identity,
            "position": vars(position),
            "metrics": self.metrics.state(),
            "log": self.logger.state(),
            **self.update.state(),
        }
        self.checkpoints.save(self.logger.steps, state)

    def _restore(self, state: dict[str, Any]) -> None:
        out, logger = self.config.out, self.logger
        if state["identity"] != logger.identity:
            raise UserError(
                f"the checkpoint in {out} belongs to another run: delete its checkpoints folder to start again"
            )
        self.update.restore(state)
        self.metrics.restore(state["metrics"])
        logger.restore(state["log"])
        step = state["position"]["step"]
        where = f"step {step} of epoch {len(logger.rows) + 1}" if step else f"epoch {len(logger.rows)}"
        self.fabric.print(f"resuming after {where} in {out}", file=sys.stderr)


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Seed the random numbers of a step (dropout, drop path) by its position in the run."""
    torch.manual_seed(torch_seed(Draw.STEP, seed, epoch, step, rank))
