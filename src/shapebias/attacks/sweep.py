"""Every attack at every epsilon, with the gradients that they have in common taken once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapebias.attacks.attack import Attack
from shapebias.attacks.checks import checked_epsilon, checked_like
from shapebias.attacks.gradient import Criterion, criterion
from shapebias.attacks.perturb import checked_start, pgd_loop
from shapebias.models.frozen_eval import frozen_eval


@dataclass(frozen=True, eq=False)
class AttackResult:
    """``images`` (N, 3, H, W) changed by ``attack`` within ``epsilon`` (in units of 1/255)."""

    attack: Attack
    epsilon: float
    images: Tensor


def attack_sweep(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: Sequence[Attack],
    epsilons: Sequence[float],
    *,
    targets: Tensor | None = None,
    start: Tensor | None = None,
    gradient: Tensor | None = None,
    autocast: torch.dtype | None = None,
) -> Iterator[AttackResult]:
    """Every one of ``attacks`` at every one of ``epsilons``, attack by attack, each cell made when it is asked for.

    The same as ``perturb`` for each cell, whose arguments these are. But all attacks that start at the image begin with
    the same gradient, whatever the epsilon: it is taken once, or given, so that FGSM costs nothing from its second
    epsilon on and I-FGSM and MIM a step less. Between cells the network is as it was found.

    Raises:
        UserError: at once, something given that cannot be used; with the first cell, a network without gradients.
        GradientNotFinite: with the cell whose gradients are.
    """
    attacks = tuple(attacks)
    radii = [(epsilon, checked_epsilon(epsilon)) for epsilon in epsilons]
    aim, images = criterion(model, images, labels, targets, autocast)
    starts = [checked_start(attack, images, start) for attack in attacks]
    if gradient is not None:
        gradient = checked_like(gradient, images, "gradient")
    return _cells(aim, images, list(zip(attacks, starts, strict=True)), radii, gradient)


def _cells(
    criterion: Criterion,
    images: Tensor,
    attacks: list[tuple[Attack, Tensor | None]],
    radii: list[tuple[float, float]],
    common: Tensor | None,
) -> Iterator[AttackResult]:
    for attack, start in attacks:
        for epsilon, radius in radii:
            with frozen_eval(criterion.model):
                if common is None and start is None:
                    common = criterion.gradient(images)
                moved = pgd_loop(criterion, images, attack, radius, start, common)
            yield AttackResult(attack, epsilon, moved)
