"""``train``: a run put together from its settings and given to the loop."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from shapebias.data.folder import ImageFolder
from shapebias.data.layouts import check_same_classes, evaluation_images, training_images
from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.files import locked, sha256
from shapebias.models.checkpoint import MODEL_FILE, save_classifier
from shapebias.models.classifier import Classifier
from shapebias.models.hashing import weights_sha256
from shapebias.objective import MMSILoss
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import MANIFEST, stylized_views
from shapebias.train.agreement import on_rank_zero, rank_zero_first
from shapebias.train.collapse import collapse_warning
from shapebias.train.config import LEAST_TO_CORRELATE, TrainConfig
from shapebias.train.interruption import Interruption
from shapebias.train.loop import Loop
from shapebias.train.network import build_network
from shapebias.train.record import Record, write_examples
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.schedule import ramp, schedule_of
from shapebias.train.schemes import Phase, find_scheme
from shapebias.train.state import Checkpoints
from shapebias.train.step import Outcome, Stylizing, forward_step, weights_of
from shapebias.train.validation import validate
from shapebias.train.work import Work

EXAMPLES = 8


def train(config: TrainConfig) -> Path:
    """Run ``config`` to its end, going on from where an earlier attempt stopped; return the run folder.

    Raises:
        UserError: settings, data or folder that cannot be used, or a loss that is not finite.
    """
    config.check()
    device = choose_device(None if config.device == "auto" else config.device)
    if device == "cpu" and config.precision == "16-mixed":
        raise UserError("--precision 16-mixed needs a GPU, and there is none here: use bf16-mixed or 32-true")
    folder = training_images(config.data)
    test = evaluation_images(config.data, folder.classes)
    if test is not None:
        check_same_classes(folder, test)
    fabric = _launched(config, device)
    fabric.seed_everything(config.seed, verbose=False)
    phases = find_scheme(config.scheme)
    classifier = rank_zero_first(fabric, lambda: build_network(config, folder))
    stylizing, inputs = rank_zero_first(fabric, lambda: _views(config, fabric, max(phase.views for phase in phases)))
    part = min(config.batch_size, len(folder)) // config.accumulate
    if part < LEAST_TO_CORRELATE and config.axis == "batch" and any(phase.mmsi for phase in phases):
        raise UserError(
            f"{folder.root} has {len(folder)} images, {part} to correlate over: give more, or --axis channel"
        )
    works = [_work(phase, config, folder, stylizing) for phase in phases]
    record = Record(config, folder, environment(str(fabric.device)), inputs)
    record.initial_weights = weights_sha256(classifier.network)

    def held_out(network: Classifier, interruption: Interruption) -> dict[str, float | None]:
        if test is None:
            return {"val_top1": None}
        options: dict[str, Any] = {"workers": config.workers, "strict": config.strict}
        found = validate(network, test, fabric, interruption=interruption, note=record.note_unreadable, **options)
        return {"val_top1": found}

    lock = contextlib.ExitStack()
    with lock:
        if on_rank_zero(fabric, lambda: lock.enter_context(locked(config.out)) or record.open()):
            fabric.print(f"{config.out} is finished already", file=sys.stderr)
            if fabric.is_global_zero:
                Checkpoints(config.out).clear()  # where a kill left them at the very end
            return config.out
        on_rank_zero(fabric, lambda: _write_examples(config.out, works[0].samples, stylizing, fabric.device))
        loop = Loop(config, fabric, classifier, works, record, validate=held_out)
        try:
            loop.run()
        except torch.OutOfMemoryError as error:
            raise UserError(
                "the device ran out of memory: give a larger --accumulate or a smaller --batch_size, in another --out"
            ) from error

        def finish() -> None:
            record.write(weights_sha256=save_classifier(config.out / MODEL_FILE, classifier))
            loop.checkpoints.clear()

        on_rank_zero(fabric, finish)
    return config.out


def _launched(config: TrainConfig, device: str) -> Fabric:
    try:
        fabric = Fabric(accelerator=device, devices=config.devices, num_nodes=config.nodes, precision=config.precision)
    except Exception as error:  # more devices than there are, a precision that the device lacks
        reason = " ".join(str(error).split())
        raise UserError(f"--device {device} --devices {config.devices} cannot be used here: {reason}") from error
    fabric.launch()
    return fabric


def _views(config: TrainConfig, fabric: Fabric, views: int) -> tuple[Stylizing | None, dict[str, str]]:
    """What makes the views in the step, if they are made there; and the hashes of what they are made with."""
    if not views:
        return None, {}
    if config.stylized is not None:
        stylized_views(config.stylized)  # refused here if it is not finished
        names = (MANIFEST, "styles.csv")
        return None, {f"stylized {name}": sha256(config.stylized / name) for name in names}
    stylizer, digest = load_stylizer(config.stylizer)
    bank = load_styles(config.styles, stylizer, digest).split("train" if config.styles is None else "all")
    stylizing = Stylizing(stylizer.to(fabric.device), bank.codes.to(fabric.device), config.alpha)
    return stylizing, {"stylizer": digest, "styles": bank.sha256}


def _work(phase: Phase, config: TrainConfig, folder: ImageFolder, stylizing: Stylizing | None) -> Work:
    """A phase of the scheme as the loop wants it."""
    samples = TrainingSamples(
        folder,
        size=config.size,
        views=phase.views,
        styles=len(stylizing.codes) if stylizing else 0,
        stylized=config.stylized if phase.views else None,
        min_crop=config.min_crop,
        natural=phase.natural > 0,
        seed=config.seed,
    )
    mmsi = MMSILoss(axis=config.axis, eps=config.eps)

    def forward(model: Any, batch: Batch, epoch: float) -> Outcome:
        weights = weights_of(phase, config.lambda_m * ramp(epoch, config.ramp_epochs), config.lambda_s)
        return forward_step(model, batch, phase, weights, mmsi, stylizing=stylizing, joined=config.views == "joined")

    def warn(averages: dict[str, float]) -> str | None:
        return collapse_warning(
            rho=averages.get("rho"),
            stylized_top1=averages.get("train_stylized_top1"),
            spread=averages.get("spread"),
            classes=len(folder.classes),
            lambda_m=config.lambda_m if phase.mmsi else 0.0,
        )

    return Work(phase.name, samples, schedule_of(phase, config), phase.images_per_sample, forward, warn)


def _write_examples(out: Path, samples: TrainingSamples, stylizing: Stylizing | None, device: torch.device) -> None:
    chosen = [round(n * (len(samples) - 1) / (EXAMPLES - 1)) for n in range(EXAMPLES)]
    batch = samples.collate([samples[(0, index)] for index in chosen]).to(device)
    views = batch.views if batch.views is not None else stylizing(batch) if stylizing and samples.views else None
    write_examples(out, batch.images, views, len(chosen))
