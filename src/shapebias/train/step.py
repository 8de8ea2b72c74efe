"""A phase of training on images and stylized views: its samples, its loss, and its warning of collapse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.losses import MMSILoss, Weights, correlation, objective
from shapebias.losses.mmsi import all_ranks
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.schemes import Phase
from shapebias.train.task import Schedule, StepOutput, TrainingPhase
from shapebias.train.views import Stylizing, Views

Output = tuple[Tensor, list[Tensor]]  # logits, and the latents of each stage
RHO_NEAR_ONE = 0.98
NEAR_CHANCE = 0.1  # fraction of the way from chance to perfect accuracy
VANISHING_SPREAD = 1e-3  # standard deviation over samples, relative to the latents' mean absolute value
REMEDIES = "lower --lambda-m (0.1), use --axis batch, or start from trained weights (--init)"


def loss_weights(phase: Phase, lambda_m: float, lambda_s: float) -> Weights:
    """Return the weights of Eq. 4 for a phase."""
    stylized = lambda_s if phase.stylized is None else phase.stylized
    return Weights(natural=phase.natural, stylized=stylized, mmsi=lambda_m if phase.mmsi else 0.0)


def ramp(epoch: float, over: float) -> float:
    """Return a factor that rises from 0 to 1 over the first ``over`` epochs, or 1 if ``over`` is 0."""
    return min(1.0, epoch / over) if over else 1.0


def pass_through(
    model: Callable[..., Any],
    batch: Batch,
    phase: Phase,
    *,
    stylizing: Stylizing | None = None,
    joint: bool = True,
    latents: bool = True,
) -> list[Output]:
    """Pass a batch's natural images, as far as the phase shows them, and its views through ``model``.

    Returns:
        Of each group, the natural images first: logits (N, classes), and the latents of each stage, (N, D) each, or
        none without ``latents``. See ``forward_step`` for ``joint``.
    """
    count = len(batch.labels)
    groups: list[Tensor] = []
    if phase.natural:
        assert batch.images is not None
        groups.append(batch.images)
    if phase.views:
        views = batch.views if batch.views is not None else stylizing(batch) if stylizing else None
        assert views is not None, "a phase with views needs stylized copies or a stylizer"
        groups += list(views.split(count))
    return _joint(model, groups, latents) if joint else [_outputs(model, group, latents) for group in groups]


def forward_step(
    model: Callable[..., Any],
    batch: Batch,
    phase: Phase,
    weights: Weights,
    mmsi: MMSILoss,
    *,
    stylizing: Stylizing | None = None,
    joint: bool = True,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> StepOutput:
    """Pass a batch and its views through ``model`` and compute the objective.

    With ``joint``, everything passes as one batch, so that batch norm normalises natural and stylized images
    together; otherwise each is normalised with its own statistics (see docs/training.md for a comparison). ``loss`` is
    passed to ``objective``. Accuracies are logged where images have one label, ``rho`` and ``spread`` for the last
    stage.
    """
    outputs = pass_through(model, batch, phase, stylizing=stylizing, joint=joint, latents=phase.mmsi)
    logits = [output[0] for output in outputs]
    natural = logits[0] if phase.natural else None
    view_logits = logits[1:] if phase.natural else logits
    pairs = list(zip(outputs[-2][1], outputs[-1][1], strict=True)) if phase.mmsi else []
    total, parts = objective(natural, view_logits, pairs, batch.labels, weights, mmsi, loss)
    values = {name: value.detach() for name, value in parts.items()}
    with torch.no_grad():
        values["loss"] = total.detach()
        single = batch.labels.ndim == 1
        if natural is not None and single:
            values["train_top1"] = _top1(natural, batch.labels)
        if view_logits and single:
            values["train_stylized_top1"] = _top1(torch.cat(view_logits), batch.labels.repeat(len(view_logits)))
        if pairs:
            last_a, last_b = map(all_ranks, pairs[-1])  # one rank's few samples would give poorer statistics
            values["rho"] = correlation(last_a, last_b, axis=mmsi.axis).abs().mean()
            values["spread"] = last_a.float().std(0).mean() / last_a.float().abs().mean().clamp(min=1e-12)
    return StepOutput(total, values)


def training_phase(
    config: Any,
    phase: Phase,
    images: ImageSet,
    views: Views,
    *,
    weights: Callable[[float], Weights],
    joint: bool = True,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> TrainingPhase:
    """Return ``phase`` for the training loop, with the schedule and batch size of the loop's settings.

    Args:
        config: settings with a loop, an objective, views, ``size`` and ``min_crop``: a scheme's or the ablation's.
        phase: the phase of a scheme, or of a row of the ablation.
        images: the training images.
        views: the source of their views.
        weights: returns the weights of Eq. 4 at a time in the phase, in epochs.
        joint: see ``forward_step``.
        loss: see ``forward_step``.
    """
    loop, objective = config.loop, config.objective
    mmsi = MMSILoss(axis=objective.axis, eps=objective.eps)
    samples = TrainingSamples(
        images,
        size=config.size,
        views=phase.views,
        styles=views.styles,
        stylized=config.views.stylized,
        min_crop=config.min_crop,
        natural=phase.natural > 0,
        seed=loop.seed,
    )

    def step(model: Callable[..., Any], batch: Batch, epoch: float) -> StepOutput:
        given: dict[str, Any] = {"stylizing": views.stylizing, "joint": joint, "loss": loss}
        return forward_step(model, batch, phase, weights(epoch), mmsi, **given)

    def warn(averages: dict[str, float]) -> str | None:
        return collapse_warning(
            rho=averages.get("rho"),
            stylized_top1=averages.get("train_stylized_top1"),
            spread=averages.get("spread"),
            classes=len(images.classes),
            lambda_m=objective.lambda_m if phase.mmsi else 0.0,
        )

    schedule, shown = Schedule.of(loop), phase.images_per_sample
    return TrainingPhase(phase.name, samples, schedule, loop.batch_size, step, shown, warn)


def _outputs(model: Callable[..., Any], images: Tensor, latents: bool) -> Output:
    return model(images, latents=True) if latents else (model(images), [])


def _joint(model: Callable[..., Any], groups: list[Tensor], latents: bool) -> list[Output]:
    images = groups[0] if len(groups) == 1 else torch.cat(groups)
    logits, stages = _outputs(model, images, latents)
    split = [stage.split(len(groups[0])) for stage in stages]
    return [(part, [stage[n] for stage in split]) for n, part in enumerate(logits.split(len(groups[0])))]


def _top1(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(1) == labels).float().mean()


def collapse_warning(
    *, rho: float | None, stylized_top1: float | None, spread: float | None, classes: int, lambda_m: float
) -> str | None:
    """Return one line if the epoch's averages look collapsed, else None.

    Latents that carry no information can maximise the MMSI term.

    Args:
        rho: mean absolute correlation of the two views' latents.
        stylized_top1: training accuracy on stylized views, from 0 to 1.
        spread: standard deviation of the latents over the samples, relative to their mean absolute value.
        classes: number of classes, which gives the chance level.
        lambda_m: weight of the MMSI term; 0 never gives a warning.
    """
    if not lambda_m:
        return None
    if spread is not None and spread < VANISHING_SPREAD:
        return f"collapse: the latents hardly vary over the images (relative spread {spread:.1e}); {REMEDIES}"
    near = 1 / classes + NEAR_CHANCE * (1 - 1 / classes)
    if rho is not None and stylized_top1 is not None and rho > RHO_NEAR_ONE and stylized_top1 < near:
        return (
            f"collapse: the views' latents agree (rho {rho:.3f}) but do not tell the classes apart "
            f"(stylized accuracy {stylized_top1:.1%}, chance {1 / classes:.1%}); {REMEDIES}"
        )
    return None
