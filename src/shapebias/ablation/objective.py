"""Eq. 4 for several classes per image: binary cross entropies of the images shown, plus the MMSI term."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shapebias.ablation.samples import MultilabelBatch
from shapebias.objective import MMSILoss, Weights, correlation
from shapebias.objective.mmsi import all_ranks
from shapebias.train.step import Stylizing
from shapebias.train.work import Outcome


def binary_cross_entropy(logits: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """The mean over images and classes of the binary cross entropy; where ``counts`` is False it is 0.

    Divided by all (N, K) places, so that the mean over parts or ranks of one size is that of the whole batch.

    Args:
        logits: (N, K).
        truth: bool (N, K), whether an image shows a class.
        counts: bool (N, K); False where it counts neither way (VOC's "difficult").
    """
    each = F.binary_cross_entropy_with_logits(logits.float(), truth.float(), reduction="none")
    return torch.where(counts, each, 0).mean()


def multilabel_objective(
    natural: Tensor,
    views: Sequence[Tensor],
    latents: Sequence[tuple[Tensor, Tensor]],
    truth: Tensor,
    counts: Tensor,
    weights: Weights,
    mmsi: MMSILoss,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one batch, ``l_b + lambda_s (l_b^s + l_b^s') + lambda_m l_MMSI``, and its parts.

    Args:
        natural: logits of the images as they are, (N, K).
        views: logits of the stylized views, each (N, K).
        latents: for each chosen stage the two views' latents, (N, D) each; the term is their mean.
        truth: bool (N, K).
        counts: bool (N, K), see ``binary_cross_entropy``.
        weights: the weight of each part. A part of weight zero is computed all the same, to be seen.
        mmsi: the MMSI loss, with its axis and floor.

    Returns:
        The scalar loss, and its unweighted parts by name (``natural``, ``stylized``, ``mmsi``).
    """
    parts = {"natural": binary_cross_entropy(natural, truth, counts)}
    if views:
        parts["stylized"] = torch.stack([binary_cross_entropy(view, truth, counts) for view in views]).sum()
    if latents:
        parts["mmsi"] = torch.stack([mmsi(z_a, z_b) for z_a, z_b in latents]).mean()
    loss = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
    return loss, parts


def multilabel_step(
    model: Callable[..., Any],
    batch: MultilabelBatch,
    weights: Weights,
    mmsi: MMSILoss,
    *,
    views: int,
    stylizing: Stylizing | None,
) -> Outcome:
    """Pass a batch with its ``views`` through ``model`` as one and compute the objective.

    ``rho`` and ``spread`` are those of the deepest stage, as in training by a scheme.
    """
    assert batch.shown.images is not None
    groups = [batch.shown.images]
    if views:
        made = batch.shown.views if batch.shown.views is not None else stylizing(batch.shown) if stylizing else None
        assert made is not None, "a row with views needs stylized copies or a stylizer"
        groups += list(made.split(len(groups[0])))
    count = len(groups[0])
    images = torch.cat(groups) if views else groups[0]
    logits, stages = model(images, latents=True) if views else (model(images), [])
    natural, *shown = logits.split(count)
    pairs = [tuple(stage.split(count)[1:]) for stage in stages]
    loss, parts = multilabel_objective(natural, shown, pairs, batch.truth, batch.counts, weights, mmsi)
    values = {name: value.detach() for name, value in parts.items()}
    with torch.no_grad():
        values["loss"] = loss.detach()
        if pairs:
            deepest_a, deepest_b = map(all_ranks, pairs[0])
            values["rho"] = correlation(deepest_a, deepest_b, axis=mmsi.axis).abs().mean()
            values["spread"] = deepest_a.float().std(0).mean() / deepest_a.float().abs().mean().clamp(min=1e-12)
    return Outcome(loss, values)
