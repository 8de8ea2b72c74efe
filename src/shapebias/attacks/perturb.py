"""The loop that every attack is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shapebias.attacks.attack import Attack
from shapebias.attacks.checks import checked_attack, checked_epsilon, checked_like
from shapebias.attacks.gradient import Criterion, GradientNotFinite, criterion
from shapebias.errors import UserError
from shapebias.models.frozen_eval import frozen_eval


def perturb(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    epsilon: float,
    *,
    targets: Tensor | None = None,
    start: Tensor | None = None,
    gradient: Tensor | None = None,
    autocast: torch.dtype | None = None,
) -> Tensor:
    """``images`` changed by ``attack``, (N, 3, H, W), in [0, 1] and at most epsilon away in every value.

    Args:
        model: from images in [0, 1] to logits (N, classes); attacked in evaluation mode and left as found.
        images: float RGB in [0, 1], (N, 3, H, W), float32, or float64 for a float64 network.
        labels: (N,) int64, the classes to go away from, whether the network answers them or not.
        attack: one of ``ATTACKS``, or of your own.
        epsilon: in units of 1/255: 8 is 8/255 and 0.1 a tenth of one level of 8 bits.
        targets: (N,) int64, the classes to go to instead (targeted).
        start: (N, 3, H, W) in [-1, 1], the random start as a fraction of epsilon (``uniform_start``); attacks
            without a random start pass over it.
        gradient: the gradient at ``images`` where it is known already (``loss_gradient``; of ``targets``, where
            given); attacks with a random start pass over it.
        autocast: type of the forward passes; None: that of the images, whatever surrounds the call.

    Raises:
        UserError: something given that cannot be used, or a network without gradients.
        GradientNotFinite: NaN or infinite gradients on the way; it holds the rows of the images.
    """
    radius = checked_epsilon(epsilon)
    aim, images = criterion(model, images, labels, targets, autocast)
    start = checked_start(attack, images, start)
    if gradient is not None:
        gradient = checked_like(gradient, images, "gradient")
    with frozen_eval(model):
        return pgd_loop(aim, images, attack, radius, start, gradient)


def pgd_loop(
    criterion: Criterion, images: Tensor, attack: Attack, radius: float, start: Tensor | None, gradient: Tensor | None
) -> Tensor:
    """The loop; called inside ``frozen_eval`` with everything checked, and epsilon a fraction of the whole range."""
    low, high = within(images, radius)
    step = attack.step * radius * (-1 if criterion.towards else 1)
    moved = images.clone()
    if start is not None:
        moved.add_(start, alpha=radius).clamp_(low, high)
        gradient = None
    accumulated = None
    finite = torch.ones(len(images), dtype=torch.bool, device=images.device)
    for number in range(attack.steps):
        direction = gradient if number == 0 and gradient is not None else criterion.gradient(moved)
        norm = torch.linalg.vector_norm(direction, 1, dim=(1, 2, 3), keepdim=True)
        finite &= norm.isfinite().flatten()
        if attack.decay is not None:
            direction = direction / norm.clamp_min(torch.finfo(norm.dtype).tiny)  # a gradient of zero stays zero
            accumulated = direction if accumulated is None else direction.add_(accumulated, alpha=attack.decay)
            direction = accumulated
        moved.add_(direction.sign(), alpha=step).clamp_(low, high)
    rows = (~finite).nonzero().flatten().tolist()
    if rows:
        raise GradientNotFinite(tuple(rows))
    return moved


def checked_start(attack: Attack, images: Tensor, start: Tensor | None) -> Tensor | None:
    """The random start that ``attack`` needs, None where it needs none.

    Raises:
        UserError: it is missing, of another shape, or outside [-1, 1]; or ``attack`` is none.
    """
    if not checked_attack(attack).random_start:
        return None
    if start is None:
        raise UserError(f"{attack.title} starts at a random point: pass start=uniform_start(images.shape, seed, names)")
    return checked_like(start, images, "start", bound=1)


def uniform_start(shape: Sequence[int], seed: int, names: Sequence[str]) -> Tensor:
    """Uniform numbers in [-1, 1), float32, of ``shape`` (N, 3, H, W): where random starts lie, as fractions of epsilon.

    Each image's are a function of ``seed`` and its name alone: the same in any batch, order or process, and on any
    device, to which they are to be moved.

    Raises:
        UserError: not one name per image.
    """
    if len(names) != shape[0]:
        raise UserError(f"{shape[0]} images and {len(names)} names: random starts need one name per image")
    drawn = np.empty(tuple(shape), dtype=np.float32)
    for image, name in zip(drawn, names, strict=True):
        key = hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")).digest()
        np.random.default_rng(int.from_bytes(key, "little")).random(dtype=np.float32, out=image)
    return torch.from_numpy(2 * drawn - 1)


def within(images: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The lowest and highest values in [0, 1] that are not further than ``radius`` from ``images``.

    Rounded inward, so that the difference is not above ``radius`` even by a rounding error.
    """
    if images.dtype == torch.float32:
        nearest = np.float32(radius)
        radius = float(nearest if float(nearest) <= radius else np.nextafter(nearest, np.float32(0)))
    low = torch.nextafter(images - radius, images).clamp_(min=0)
    return low, torch.nextafter(images + radius, images).clamp_(max=1)
