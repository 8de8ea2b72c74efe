"""The terms that are compared in the place of the paper's: what each asks of a sample's natural image and views.

A term takes the latents (N, D) and the logits (N, classes) of the natural images and of their one or two stylized
views, in this order, and returns the scalar that lambda_m multiplies. Lower is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from shapebias.losses import MMSILoss

Term = Callable[[Sequence[Tensor], Sequence[Tensor], MMSILoss], Tensor]
PAIRS: dict[str, Callable[[int, int], bool]] = {  # whether two of them, natural 0 before views 1 and 2, are a pair
    "views": lambda a, _: a > 0,
    "natural": lambda a, _: a == 0,
    "all": lambda a, b: a < b,
}
TEMPERATURE = 0.1
OFF_DIAGONAL = 0.05


def mmsi_of(pairs: str) -> Term:
    """Return the paper's bound (Eq. 1), averaged over the ``pairs`` of PAIRS; "views" is the paper's term."""

    def term(latents: Sequence[Tensor], _logits: Sequence[Tensor], mmsi: MMSILoss) -> Tensor:
        numbers = [pair for pair in combinations(range(len(latents)), 2) if PAIRS[pairs](*pair)]
        return torch.stack([mmsi(latents[a], latents[b]) for a, b in numbers]).mean()

    return term


def detached(latents: Sequence[Tensor], _logits: Sequence[Tensor], mmsi: MMSILoss) -> Tensor:
    """The natural image's latents as a target without gradient: only the views move."""
    natural, *views = latents
    return torch.stack([mmsi(natural.detach(), view) for view in views]).mean()


def detached_views(latents: Sequence[Tensor], _logits: Sequence[Tensor], mmsi: MMSILoss) -> Tensor:
    """The views' latents as targets without gradient: only the natural image's latents move."""
    natural, *views = latents
    return torch.stack([mmsi(natural, view.detach()) for view in views]).mean()


def jensen_shannon(_latents: Sequence[Tensor], logits: Sequence[Tensor], _mmsi: MMSILoss) -> Tensor:
    """Jensen-Shannon divergence of the answers (AugMix, Hendrycks et al. 2020), in nats."""
    log = torch.stack([F.log_softmax(one.float(), dim=1) for one in logits])
    mixed = log.exp().mean(0).clamp(min=1e-7).log()
    return torch.stack([F.kl_div(mixed, one, reduction="batchmean", log_target=True) for one in log]).mean()


def information_nce(latents: Sequence[Tensor], _logits: Sequence[Tensor], _mmsi: MMSILoss) -> Tensor:
    """InfoNCE (van den Oord et al. 2018), a bound on the information of whole latents, over natural-view pairs."""
    natural, *views = (F.normalize(one.float() - one.float().mean(0), dim=1) for one in latents)
    numbers = torch.arange(len(natural), device=natural.device)
    losses = []
    for view in views:
        likeness = natural @ view.T / TEMPERATURE
        losses += [F.cross_entropy(likeness, numbers), F.cross_entropy(likeness.T, numbers)]
    return torch.stack(losses).mean()


def decorrelated(latents: Sequence[Tensor], logits: Sequence[Tensor], mmsi: MMSILoss) -> Tensor:
    """Natural-view pairs, plus the mean square of correlations between neurons (Barlow Twins, Zbontar et al. 2021).

    Without it the sum over neurons counts information that several neurons share as often.
    """
    natural = _unit(latents[0])
    between = natural.T @ natural
    neurons = len(between)
    outside = (between.square().sum() - between.diagonal().square().sum()) / (neurons - 1)
    return mmsi_of("natural")(latents, logits, mmsi) + OFF_DIAGONAL * outside


def natural_and_js(latents: Sequence[Tensor], logits: Sequence[Tensor], mmsi: MMSILoss) -> Tensor:
    """Natural-view pairs of the latents, and the Jensen-Shannon divergence of the answers beside them."""
    return mmsi_of("natural")(latents, logits, mmsi) + jensen_shannon(latents, logits, mmsi)


def _unit(latents: Tensor) -> Tensor:
    """Centre each neuron over the samples and scale it to length 1."""
    return F.normalize(latents.float() - latents.float().mean(0), dim=0, eps=1e-6)


TERMS: dict[str, Term] = {
    **{f"mmsi {pairs}": mmsi_of(pairs) for pairs in PAIRS},
    "detached": detached,
    "detached views": detached_views,
    "jensen-shannon": jensen_shannon,
    "infonce": information_nce,
    "decorrelated": decorrelated,
    "natural and js": natural_and_js,
}
