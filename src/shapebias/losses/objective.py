"""The whole training objective: cross entropies of the images shown, plus the MMSI term (Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from shapebias.losses.mmsi import MMSILoss


@dataclass(frozen=True)
class Weights:
    """Weights of the objective's parts: ``natural l_c + stylized (l_c^s + ...) + mmsi l_MMSI``.

    Eq. 4 has ``natural=1``, ``stylized=lambda_s``, ``mmsi=lambda_m``.
    """

    natural: float
    stylized: float
    mmsi: float


def objective(
    natural: Tensor | None,
    views: Sequence[Tensor],
    latents: Sequence[tuple[Tensor, Tensor]],
    labels: Tensor,
    weights: Weights,
    mmsi: MMSILoss,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of one batch and its parts.

    Args:
        natural: logits of the original images, (N, classes), or None where a scheme does not show them.
        views: logits of the stylized views, each (N, classes).
        latents: the two views' latents of each chosen stage, (N, D) each; the term is the mean over stages. Empty
            where a scheme has no MMSI term.
        labels: (N,) class indices, or other targets that ``loss`` takes.
        weights: the weight of each part. A part of weight zero is computed all the same, to be logged.
        mmsi: the MMSI loss, with its axis and floor.
        loss: takes float32 logits and the labels and returns a scalar; the cross entropy unless a task has another.

    Returns:
        The scalar loss, and its unweighted parts by name (``natural``, ``stylized``, ``mmsi``), as far as the
        scheme has them.
    """
    parts: dict[str, Tensor] = {}
    if natural is not None:
        parts["natural"] = loss(natural.float(), labels)
    if views:
        parts["stylized"] = torch.stack([loss(view.float(), labels) for view in views]).sum()
    if latents:
        parts["mmsi"] = torch.stack([mmsi(z_a, z_b) for z_a, z_b in latents]).mean()
    return torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum(), parts
