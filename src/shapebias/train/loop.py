"""The training loop: phases, epochs, steps, in plain sight."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from shapebias.data.folder import TEST_NAMES, TRAIN_NAMES, ImageFolder, part
from shapebias.data.order import EpochBatches
from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.models.checkpoint import MODEL_FILE, save_classifier
from shapebias.objective import MMSILoss
from shapebias.progress import progress
from shapebias.stylize import load_styles, load_stylizer
from shapebias.train.collapse import collapse_warning
from shapebias.train.config import TrainConfig
from shapebias.train.network import build_network, build_optimizer
from shapebias.train.readings import Readings
from shapebias.train.record import (
    STATE_FILE,
    load_state,
    open_run,
    save_state,
    write_examples,
    write_metrics,
    write_run,
)
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.schedule import learning_rate
from shapebias.train.schemes import Phase, find_scheme
from shapebias.train.step import Stylizing, forward_step, weights_of
from shapebias.train.validation import validate

EXAMPLES = 8


def train(config: TrainConfig) -> Path:
    """Run ``config`` to its end, going on from where an earlier attempt stopped; return the run folder.

    Raises:
        UserError: settings, data or folder that cannot be used.
    """
    config.check()
    device = choose_device(None if config.device == "auto" else config.device)
    folder = ImageFolder.scan(part(config.data, TRAIN_NAMES) or config.data)
    test = part(config.data, TEST_NAMES)
    fabric = Fabric(accelerator=device, devices=config.devices, precision=config.precision)
    fabric.launch()
    made_with = environment(str(fabric.device))
    run = _Run(config, fabric, folder, ImageFolder.scan(test) if test else None, made_with)
    finished = open_run(config, folder, made_with) if fabric.is_global_zero else False
    if fabric.broadcast(finished):
        fabric.print(f"{config.out} is finished already", file=sys.stderr)
        return config.out
    return run.run()


class _Run:
    """The moving parts of one run; building it refuses what cannot be used, before anything is written."""

    def __init__(
        self, config: TrainConfig, fabric: Fabric, folder: ImageFolder, test: ImageFolder | None, made_with: dict
    ) -> None:
        self.config, self.fabric, self.folder, self.test, self.made_with = config, fabric, folder, test, made_with
        if test is not None and test.classes != folder.classes:
            raise UserError(f"{test.root} and {folder.root} hold different classes")
        fabric.seed_everything(config.seed, verbose=False)
        self.classifier = build_network(config, folder)
        self.phases = [(phase, *self._samples(phase)) for phase in find_scheme(config.scheme)]
        self.rows: list[dict[str, Any]] = []
        self.unreadable: set[str] = set()
        self.warnings: list[str] = []
        self.steps = self.images = 0
        self.seconds = 0.0

    def run(self) -> Path:
        config, fabric = self.config, self.fabric
        state = load_state(config.out)
        finished = self._restore(state) if state else 0
        for number in range(len(self.phases)):
            first = max(0, finished - number * config.epochs)
            if first < config.epochs:
                self._train_phase(number, first, state["optimizer"] if state and first else None)
                state = None
        if fabric.is_global_zero:
            weights = save_classifier(config.out / MODEL_FILE, self.classifier)
            self._write_run(weights_sha256=weights)
            (config.out / STATE_FILE).unlink(missing_ok=True)
        fabric.barrier()
        return config.out

    def _train_phase(self, number: int, first: int, optimizer_state: dict[str, Any] | None) -> None:
        config, fabric = self.config, self.fabric
        phase, samples, stylizing = self.phases[number]
        batches = EpochBatches(
            len(samples), config.batch_size, seed=config.seed, rank=fabric.global_rank, ranks=fabric.world_size
        )
        loader = fabric.setup_dataloaders(
            DataLoader(
                samples,  # type: ignore[arg-type]
                batch_sampler=batches,
                num_workers=config.workers,
                collate_fn=samples.collate,
                pin_memory=fabric.device.type == "cuda",
            ),
            use_distributed_sampler=False,
            move_to_device=False,
        )
        optimizer = build_optimizer(self.classifier, config)
        model, optimizer = fabric.setup(self.classifier.to(memory_format=torch.channels_last), optimizer)  # type: ignore[call-overload]
        if optimizer_state is not None:
            optimizer.load_state_dict(optimizer_state)
        weights = weights_of(phase, config.lambda_m, config.lambda_s)
        mmsi = MMSILoss(axis=config.axis, eps=config.eps)
        total = len(batches) * config.epochs
        if first == 0 and number == 0 and fabric.is_global_zero:
            self._write_examples(samples, stylizing)
        title = f"{config.scheme} {config.model}"
        per_step = batches.batch_size * phase.images_per_sample
        with progress(title, total=total * per_step, done=first * len(batches) * per_step) as bar:
            for epoch in range(first, config.epochs):
                batches.epoch = number * config.epochs + epoch
                began = time.monotonic()
                readings = Readings(bar)
                model.train()
                for index, batch in enumerate(loader):
                    step = epoch * len(batches) + index
                    rate = learning_rate(config.lr, step, total, warmup=len(batches))
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                    batch = batch.to(fabric.device)
                    self._note_unreadable(batch.unreadable)
                    with fabric.autocast():
                        outcome = forward_step(
                            model, batch, phase, weights, mmsi, stylizing=stylizing, joined=config.views == "joined"
                        )
                    optimizer.zero_grad()
                    fabric.backward(outcome.loss)
                    optimizer.step()
                    readings.add(outcome.values, per_step)
                averages = readings.averages()
                self.steps += len(batches)
                self.images += len(batches) * per_step
                taken = time.monotonic() - began
                self.seconds += taken
                self.rows.append(
                    {
                        "phase": phase.name,
                        "epoch": number * config.epochs + epoch + 1,
                        "step": self.steps,
                        "images": self.images,
                        "lr": optimizer.param_groups[0]["lr"],
                        **averages,
                        "val_top1": self._validate(),
                        "images_per_second": len(batches) * per_step / taken,
                        "seconds": self.seconds,
                    }
                )
                self._notice_collapse(averages, weights.mmsi)
                if fabric.is_global_zero:
                    self._save(number * config.epochs + epoch + 1, optimizer)

    def _samples(self, phase: Phase) -> tuple[TrainingSamples, Stylizing | None]:
        config = self.config
        stylizing, styles = None, 0
        if phase.views and config.stylized is None:
            stylizer, digest = load_stylizer()
            bank = load_styles(config.styles, stylizer, digest).split("train" if config.styles is None else "all")
            stylizing = Stylizing(stylizer.to(self.fabric.device), bank.codes.to(self.fabric.device), config.alpha)
            styles = len(bank)
        samples = TrainingSamples(
            self.folder,
            size=config.size,
            views=phase.views,
            styles=styles,
            stylized=config.stylized,
            min_crop=config.min_crop,
            seed=config.seed,
        )
        return samples, stylizing

    def _write_examples(self, samples: TrainingSamples, stylizing: Stylizing | None) -> None:
        chosen = [round(n * (len(samples) - 1) / (EXAMPLES - 1)) for n in range(EXAMPLES)]
        batch: Batch = samples.collate([samples[(0, index)] for index in chosen]).to(self.fabric.device)
        views = batch.views if batch.views is not None else stylizing(batch) if stylizing else None
        write_examples(self.config.out, batch.images, views)

    def _note_unreadable(self, reasons: list[str]) -> None:
        for reason in reasons:
            if self.config.strict:
                raise UserError(f"unreadable image {reason} (remove it, or leave out --strict)")
            if reason not in self.unreadable:
                print(f"warning: left out unreadable image {reason}", file=sys.stderr)
                self.unreadable.add(reason)

    def _validate(self) -> float | None:
        return validate(self.classifier, self.test, self.fabric, workers=self.config.workers) if self.test else None

    def _notice_collapse(self, averages: dict[str, float], lambda_m: float) -> None:
        warning = collapse_warning(
            rho=averages.get("rho"),
            stylized_top1=averages.get("train_stylized_top1"),
            spread=averages.get("spread"),
            classes=len(self.folder.classes),
            lambda_m=lambda_m,
        )
        if warning and not self.warnings:
            self.warnings.append(warning)
            self.fabric.print(f"warning: {warning}", file=sys.stderr)

    def _save(self, epochs_done: int, optimizer: Any) -> None:
        save_state(
            self.config.out,
            {
                "epochs_done": epochs_done,
                "model": self.classifier.network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "rows": self.rows,
                "steps": self.steps,
                "images": self.images,
                "seconds": self.seconds,
                "unreadable": sorted(self.unreadable),
                "warnings": self.warnings,
            },
        )
        write_metrics(self.config.out, self.rows)
        self._write_run()

    def _restore(self, state: dict[str, Any]) -> int:
        """Take up an interrupted run; return how many epochs are done."""
        self.classifier.network.load_state_dict(state["model"])
        self.rows, self.steps, self.images = state["rows"], state["steps"], state["images"]
        self.seconds, self.warnings = state["seconds"], state["warnings"]
        self.unreadable = set(state["unreadable"])
        self.fabric.print(f"going on after epoch {state['epochs_done']} of {self.config.out}", file=sys.stderr)
        return int(state["epochs_done"])

    def _write_run(self, **values: Any) -> None:
        write_run(
            self.config,
            self.folder,
            self.made_with,
            seconds=round(self.seconds, 1),
            images_seen=self.images,
            warnings=self.warnings,
            data={"unreadable": sorted(self.unreadable)},
            **values,
        )
