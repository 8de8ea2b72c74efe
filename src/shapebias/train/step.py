"""One training step's forward half: views made or taken, passed through the network, loss computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shapebias.losses import MMSILoss, Weights, correlation, objective
from shapebias.losses.mmsi import all_ranks
from shapebias.stylize import Stylizer
from shapebias.train.samples import Batch
from shapebias.train.schemes import Phase
from shapebias.train.task import StepOutput


class Stylizing:
    """Stylizes the images of a batch in the styles drawn for them; content is encoded once for all views."""

    def __init__(self, stylizer: Stylizer, codes: Tensor, alpha: float) -> None:
        self.stylizer, self.codes, self.alpha = stylizer, codes, alpha

    def __call__(self, batch: Batch) -> Tensor:
        """Views (V * N, 3, S, S) of ``batch.images``, view after view, without gradients."""
        assert batch.styles is not None and batch.images is not None
        with torch.no_grad():
            return self.stylizer.stylize(batch.images, self.codes[batch.styles], self.alpha)


def weights_of(phase: Phase, lambda_m: float, lambda_s: float) -> Weights:
    """The weights of Eq. 4 for a phase."""
    stylized = lambda_s if phase.stylized is None else phase.stylized
    return Weights(natural=phase.natural, stylized=stylized, mmsi=lambda_m if phase.mmsi else 0.0)


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

    ``joint`` passes everything as one batch, so that batch norm sees natural and stylized images
    together; separate, each kind is normalised by its own statistics. See docs/training.md for what was
    measured. ``loss`` is that of ``objective``; accuracies are watched where an image has one label,
    ``rho`` and ``spread`` at the last stage.
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
    wants_latents = phase.mmsi
    outputs = _joined(model, groups, wants_latents) if joint else [_outputs(model, g, wants_latents) for g in groups]
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
            last_a, last_b = map(all_ranks, pairs[-1])  # statistics of a rank's few samples would say less
            values["rho"] = correlation(last_a, last_b, axis=mmsi.axis).abs().mean()
            values["spread"] = last_a.float().std(0).mean() / last_a.float().abs().mean().clamp(min=1e-12)
    return StepOutput(total, values)


def _outputs(model: Callable[..., Any], images: Tensor, latents: bool) -> tuple[Tensor, list[Tensor]]:
    return model(images, latents=True) if latents else (model(images), [])


def _joined(model: Callable[..., Any], groups: list[Tensor], latents: bool) -> list[tuple[Tensor, list[Tensor]]]:
    images = groups[0] if len(groups) == 1 else torch.cat(groups)
    logits, stages = _outputs(model, images, latents)
    split = [stage.split(len(groups[0])) for stage in stages]
    return [(part, [stage[n] for stage in split]) for n, part in enumerate(logits.split(len(groups[0])))]


def _top1(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(1) == labels).float().mean()
