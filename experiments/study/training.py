"""Train one arm: a scheme of the package, with the arm's term and views in the place of the scheme's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from arms import Arm
from samples import AugmentedSamples
from terms import TERMS
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.data.loaders import ImageBatches
from shapebias.errors import UserError
from shapebias.losses import MMSILoss, correlation, objective
from shapebias.models.checkpoint import MODEL_FILE, load_classifier, save_classifier
from shapebias.train.config import TrainConfig
from shapebias.train.run import build_model, read_images, scheme_phase, train
from shapebias.train.samples import Batch
from shapebias.train.schemes import Phase
from shapebias.train.step import loss_weights, pass_through, ramp
from shapebias.train.task import StepOutput, TrainingPhase
from shapebias.train.views import Views

OVER_TIME = "over-time"  # folder of the networks before every epoch, in that of the run
FOR_STATISTICS = 2000  # training images that batch norm's statistics are re-estimated from


def train_arm(arm: Arm, config: TrainConfig) -> Path:
    """Train ``arm`` with the arena's settings ``config``; return the folder of the run, or of the untrained network."""
    if not arm.scheme:
        images, _, _ = read_images(config.data, 0.0)
        torch.manual_seed(config.loop.seed)
        save_classifier(config.loop.out / MODEL_FILE, build_model(config, images.classes))
        return config.loop.out
    return train(config, make_phase=lambda *given: arm_phase(arm, *given))


def arm_phase(arm: Arm, config: TrainConfig, phase: Phase, images: ImageSet, views: Views) -> TrainingPhase:
    """Return the scheme's phase as the arm changes it."""
    if arm.share is not None:
        phase = replace(phase, natural=1.0 - arm.share, stylized=arm.share)
    made = scheme_phase(config, phase, images, views)
    if arm.views != "styles" and not phase.finetuning:
        what = "views" if arm.views == "augmented" else "natural"
        samples = AugmentedSamples(
            images, size=config.size, views=phase.views, min_crop=config.min_crop, seed=config.loop.seed, what=what
        )
        made = replace(made, samples=samples)
    if arm.term != "mmsi views" and phase.natural and phase.views:
        made = replace(made, loss=_step(arm, config, replace(phase, mmsi=True), views))
    return replace(made, loss=_keeping(made.loss, config.loop.out / OVER_TIME)) if arm.over_time else made


def _keeping(loss: Callable[..., StepOutput], out: Path) -> Callable[..., StepOutput]:
    """Return ``loss`` that also saves the network before the first step of every epoch, as ``out/EPOCH/``."""

    def step(model: Callable[..., Any], batch: Batch, epoch: float) -> StepOutput:
        path = out / f"{int(epoch):03}" / MODEL_FILE
        if epoch == int(epoch) and not path.is_file():
            classifier: Any = getattr(model, "module", model)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_classifier(path, classifier)
        return loss(model, batch, epoch)

    return step


def _step(arm: Arm, config: TrainConfig, phase: Phase, views: Views) -> Callable[..., StepOutput]:
    settings = config.objective
    mmsi, term = MMSILoss(axis=settings.axis, eps=settings.eps), TERMS[arm.term]

    def step(model: Callable[..., Any], batch: Batch, epoch: float) -> StepOutput:
        joint = config.batchnorm == "joint"
        outputs = pass_through(model, batch, phase, stylizing=views.stylizing, joint=joint)
        logits, latents = [one[0] for one in outputs], [one[1][-1] for one in outputs]
        weights = loss_weights(phase, settings.lambda_m * ramp(epoch, config.ramp_epochs), settings.lambda_s)
        total, parts = objective(logits[0], logits[1:], [], batch.labels, weights, mmsi)
        added = term(latents, logits, mmsi)
        total = total + weights.mmsi * added
        with torch.no_grad():
            values: dict[str, Tensor] = {name: value.detach() for name, value in parts.items()}
            values |= {"loss": total.detach(), "mmsi": added.detach()}
            values["train_top1"] = (logits[0].argmax(1) == batch.labels).float().mean()
            right = [(one.argmax(1) == batch.labels).float().mean() for one in logits[1:]]
            values["train_stylized_top1"] = torch.stack(right).mean()
            first, second = latents[-2:]  # the two views, or the natural image and its only one
            values["rho"] = correlation(first, second, axis=mmsi.axis).abs().mean()
            values["spread"] = second.float().std(0).mean() / second.float().abs().mean().clamp(min=1e-12)
        return StepOutput(total, values)

    return step


def reestimated(run: Path, data: Path, out: Path) -> Path:
    """Write to ``out`` the network of ``run`` with the statistics of its batch norms taken from natural images."""
    model = load_classifier(run / MODEL_FILE)
    images, _, _ = read_images(data, 0.0)
    chosen = [images.paths[n] for n in torch.linspace(0, len(images) - 1, min(FOR_STATISTICS, len(images))).long()]
    norms = [one for one in model.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise UserError(f"{run} has no batch norm whose statistics could be re-estimated")
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches
        norm.train()
    with torch.no_grad():
        for _, batch in ImageBatches(chosen, model.preprocessing, batch_size=64):
            model(batch)
    model.eval()
    save_classifier(out / MODEL_FILE, model)
    return out
