"""``train``: a run put together from its settings and given to the loop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import check_same_classes, evaluation_images, training_images
from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.losses import MMSILoss
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Classifier
from shapebias.models.hashing import weights_sha256
from shapebias.train.collapse import collapse_warning
from shapebias.train.config import LEAST_TO_CORRELATE, TrainConfig
from shapebias.train.distributed import on_rank_zero, rank_zero_first
from shapebias.train.interruption import Interruption
from shapebias.train.log import RunInfo, RunLogger, write_examples
from shapebias.train.network import build_network
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.schedule import phase_schedule, ramp
from shapebias.train.schemes import Phase, find_scheme
from shapebias.train.session import run_session, setup_fabric
from shapebias.train.step import Stylizing, forward_step, weights_of
from shapebias.train.task import StepOutput, TrainingTask
from shapebias.train.validation import validate
from shapebias.train.views import BANK_FILE, find_views

EXAMPLES = 8
VALUES = (
    *("loss", "natural", "stylized", "mmsi", "rho", "spread"),
    *("train_top1", "train_stylized_top1", "val_top1"),
)


def train(config: TrainConfig) -> Path:
    """Run ``config`` to its end, going on from where an earlier attempt stopped; return the run folder.

    Raises:
        UserError: settings, data or folder that cannot be used, or a loss that is not finite.
    """
    config.check()
    device = choose_device(None if config.loop.device == "auto" else config.loop.device)
    folder = training_images(config.data)
    test = evaluation_images(config.data, folder.classes)
    if test is not None:
        check_same_classes(folder, test)
    fabric = setup_fabric(config.loop, device)
    phases = find_scheme(config.scheme)
    classifier = rank_zero_first(fabric, lambda: build_network(config, folder))
    most = max(phase.views for phase in phases)
    found = rank_zero_first(fabric, lambda: find_views(config, fabric, folder.root, most))
    stylizing = found.stylizing
    part = min(config.loop.batch_size, len(folder)) // config.loop.grad_accum_steps
    if part < LEAST_TO_CORRELATE and config.axis == "batch" and any(phase.mmsi for phase in phases):
        raise UserError(
            f"{folder.root} has {len(folder)} images, {part} to correlate over: give more, or --axis channel"
        )
    shown = [_samples(phase, config, folder, stylizing) for phase in phases]
    samples, works = shown[0], [_work(*pair, config, stylizing) for pair in zip(phases, shown, strict=True)]
    validation = {"validation": test.fingerprint} if test is not None else {}
    about = RunInfo(
        title=f"{config.scheme} {config.model}",
        head={"scheme": config.scheme, "model": config.model, "seed": config.loop.seed, "classes": folder.classes},
        data={"folder": str(folder.root), "images": len(folder), "fingerprint": folder.fingerprint},
        values=VALUES,
        environment=environment(str(fabric.device)),
        inputs={**found.inputs, **validation},
    )
    record = RunLogger(config, about, save_classifier)
    record.initial_weights = weights_sha256(classifier.network)

    def held_out(network: Classifier, interruption: Interruption) -> dict[str, float | None]:
        if test is None:
            return {"val_top1": None}
        options: dict[str, Any] = {name: getattr(config.loop, name) for name in ("workers", "strict", "channels_last")}
        found = validate(network, test, fabric, interruption=interruption, note=record.note_unreadable, **options)
        return {"val_top1": found}

    def begin() -> None:
        if fabric.is_global_zero:
            _say_what_is_left_out(folder, config)
        if (bank := found.bank) is not None:
            on_rank_zero(fabric, lambda: bank.save(config.loop.out / BANK_FILE))
        on_rank_zero(fabric, lambda: _write_examples(config.loop.out, samples, stylizing, fabric.device))

    run_session(config.loop, fabric, classifier, works, record, validate=held_out, begin=begin)
    return config.loop.out


def _say_what_is_left_out(folder: ImageSet, config: TrainConfig) -> None:
    """Name class folders without images, and images that an epoch leaves out, where they are many."""
    empty = sorted({p.name for p in folder.root.iterdir() if p.is_dir() and p.name[0] != "."} - set(folder.classes))
    if empty:
        print(f"warning: no images that can be read in {folder.root}/{', '.join(empty[:5])}: left out", file=sys.stderr)
    over = len(folder) % config.loop.batch_size
    if len(folder) < config.loop.batch_size:
        print(
            f"warning: --batch-size {config.loop.batch_size} is cut to the {len(folder)} images there are",
            file=sys.stderr,
        )
    elif over > 0.05 * len(folder):
        print(
            f"warning: an epoch leaves out {over} of {len(folder)} images, others each time: they fill no batch",
            file=sys.stderr,
        )


def _samples(phase: Phase, config: TrainConfig, folder: ImageSet, stylizing: Stylizing | None) -> TrainingSamples:
    """What a phase of the scheme shows."""
    return TrainingSamples(
        folder,
        size=config.size,
        views=phase.views,
        styles=len(stylizing.codes) if stylizing else 0,
        stylized=config.stylized if phase.views else None,
        min_crop=config.min_crop,
        natural=phase.natural > 0,
        seed=config.loop.seed,
    )


def _work(phase: Phase, samples: TrainingSamples, config: TrainConfig, stylizing: Stylizing | None) -> TrainingTask:
    """A phase of the scheme as the loop wants it."""
    mmsi = MMSILoss(axis=config.axis, eps=config.eps)

    def forward(model: Any, batch: Batch, epoch: float) -> StepOutput:
        weights = weights_of(phase, config.lambda_m * ramp(epoch, config.ramp_epochs), config.lambda_s)
        return forward_step(model, batch, phase, weights, mmsi, stylizing=stylizing, joint=config.batchnorm == "joint")

    def warn(averages: dict[str, float]) -> str | None:
        return collapse_warning(
            rho=averages.get("rho"),
            stylized_top1=averages.get("train_stylized_top1"),
            spread=averages.get("spread"),
            classes=len(samples.folder.classes),
            lambda_m=config.lambda_m if phase.mmsi else 0.0,
        )

    batch_size = (
        config.finetune_batch_size if phase.finetuning and config.finetune_batch_size else config.loop.batch_size
    )
    return TrainingTask(
        phase.name, samples, phase_schedule(phase, config), batch_size, phase.images_per_sample, forward, warn
    )


def _write_examples(out: Path, samples: TrainingSamples, stylizing: Stylizing | None, device: torch.device) -> None:
    chosen = [round(n * (len(samples) - 1) / (EXAMPLES - 1)) for n in range(EXAMPLES)]
    batch = samples.collate([samples[(0, index)] for index in chosen]).to(device)
    views = batch.views if batch.views is not None else stylizing(batch) if stylizing and samples.views else None
    write_examples(out, batch.images, views, len(chosen))
