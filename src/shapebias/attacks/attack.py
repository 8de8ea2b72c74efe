"""The attacks as settings of one loop (Tables 2 and 3), and the loop itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from shapebias.attacks.checks import checked_epsilon, checked_like, described_type
from shapebias.attacks.gradient import Criterion, GradientNotFinite, checked_criterion
from shapebias.errors import UserError
from shapebias.models.classifier import frozen_eval
from shapebias.stats.streams import Draw, stream


@dataclass(frozen=True)
class Attack:
    """Steps along the sign of a gradient, inside the L-infinity ball of radius epsilon around an image.

    Attributes:
        name: its name in commands and files.
        title: its name in print.
        steps: number of gradients per image.
        step: length of a step, as a fraction of epsilon.
        decay: decay of the accumulated gradient, to which each gradient is added divided by its L1 norm over the
            image; None: every step follows its own gradient.
        random_start: start at a point drawn uniformly from the ball instead of at the image.
    """

    name: str
    title: str
    steps: int
    step: float
    decay: float | None = None
    random_start: bool = False


# Goodfellow et al., ICLR 2015.
FGSM = Attack("fgsm", "FGSM", steps=1, step=1.0)
# Madry et al., ICLR 2018. The paper does not give the number and length of steps: these are the usual ones.
PGD = Attack("pgd", "PGD", steps=10, step=0.25, random_start=True)
# Kurakin et al., ICLR 2017 workshop. The steps reach epsilon and never exceed it, at any epsilon.
IFGSM = Attack("ifgsm", "I-FGSM", steps=10, step=0.1)
# Dong et al., CVPR 2018.
MIM = Attack("mim", "MIM", steps=5, step=0.2, decay=1.0)

ATTACKS: dict[str, Attack] = {attack.name: attack for attack in (FGSM, PGD, IFGSM, MIM)}


@dataclass(frozen=True, eq=False)
class AttackResult:
    """``images`` (N, 3, H, W) perturbed by ``attack`` within ``epsilon`` (in units of 1/255)."""

    attack: Attack
    epsilon: float
    images: Tensor


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
    """Return ``images`` perturbed by ``attack``, (N, 3, H, W), in [0, 1] and at most epsilon away in every value.

    Args:
        model: maps images in [0, 1] to logits (N, classes); attacked in evaluation mode and left as found.
        images: float RGB in [0, 1], (N, 3, H, W), float32, or float64 for a float64 model.
        labels: (N,) int64, the classes to move away from, whether the model predicts them or not.
        attack: one of ``ATTACKS``, or another ``Attack``.
        epsilon: in units of 1/255: 8 is 8/255 and 0.1 a tenth of one level of 8 bits.
        targets: (N,) int64, the classes to move towards instead (targeted attack).
        start: (N, 3, H, W) in [-1, 1], the random start as a fraction of epsilon (``uniform_start``); ignored by
            attacks without a random start.
        gradient: the gradient at ``images`` where it is known already (``loss_gradient``; of ``targets``, where
            given); ignored by attacks with a random start.
        autocast: type of the forward passes; None: that of the images, also inside an autocast context.

    Raises:
        UserError: an argument that cannot be used, or a model without gradients.
        GradientNotFinite: NaN or infinite gradients in one of the steps; it holds the rows of the images.
    """
    results = attack_sweep(
        model,
        images,
        labels,
        [attack],
        [epsilon],
        targets=targets,
        start=start,
        gradient=gradient,
        autocast=autocast,
    )
    return next(results).images


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
    """Run every one of ``attacks`` at every one of ``epsilons``, attack by attack, each when it is asked for.

    Arguments and results are those of ``perturb``. All attacks that start at the image share their first gradient,
    whatever the epsilon: it is taken once, or given, so that FGSM costs nothing from its second epsilon on, and I-FGSM
    and MIM a step less. Between results the model is as it was found.

    Raises:
        UserError: at once, an argument that cannot be used; with the first result, a model without gradients.
        GradientNotFinite: with the result whose gradients are not finite.
    """
    radii = [(epsilon, checked_epsilon(epsilon)) for epsilon in epsilons]
    criterion, images = checked_criterion(model, images, labels, targets, autocast)
    starts = [(attack, _checked_start(attack, images, start)) for attack in attacks]
    if gradient is not None:
        gradient = checked_like(gradient, images, "gradient")
    return _sweep(criterion, images, starts, radii, gradient)


def _sweep(
    criterion: Criterion,
    images: Tensor,
    starts: Sequence[tuple[Attack, Tensor | None]],
    radii: Sequence[tuple[float, float]],
    gradient: Tensor | None,
) -> Iterator[AttackResult]:
    for attack, start in starts:
        for epsilon, radius in radii:
            with frozen_eval(criterion.model):
                if gradient is None and start is None:
                    gradient = criterion.gradient(images)
                perturbed = pgd_loop(criterion, images, attack, radius, start, gradient)
            yield AttackResult(attack, epsilon, perturbed)


def pgd_loop(
    criterion: Criterion, images: Tensor, attack: Attack, radius: float, start: Tensor | None, gradient: Tensor | None
) -> Tensor:
    """Return ``images`` after the steps of ``attack``; called inside ``frozen_eval`` with checked arguments.

    ``radius`` is epsilon as a fraction of the range [0, 1], ``gradient`` that at ``images``, ignored with a ``start``.
    """
    low, high = ball_bounds(images, radius)
    step = attack.step * radius * (-1 if criterion.towards else 1)
    perturbed = images.clone()
    if start is not None:
        perturbed.add_(start, alpha=radius).clamp_(low, high)
        gradient = None
    accumulated = None
    finite = torch.ones(len(images), dtype=torch.bool, device=images.device)
    for number in range(attack.steps):
        direction = gradient if number == 0 and gradient is not None else criterion.gradient(perturbed)
        norm = torch.linalg.vector_norm(direction, 1, dim=(1, 2, 3), keepdim=True)
        finite &= norm.isfinite().flatten()
        if attack.decay is not None:
            direction = direction / norm.clamp_min(torch.finfo(norm.dtype).tiny)  # a gradient of zero stays zero
            accumulated = direction if accumulated is None else direction.add_(accumulated, alpha=attack.decay)
            direction = accumulated
        perturbed.add_(direction.sign(), alpha=step).clamp_(low, high)
    rows = (~finite).nonzero().flatten().tolist()
    if rows:
        raise GradientNotFinite(tuple(rows))
    return perturbed


def uniform_start(shape: Sequence[int], seed: int, names: Sequence[str]) -> Tensor:
    """Random starts as fractions of epsilon: uniform in [-1, 1), float32, of ``shape`` (N, 3, H, W).

    The numbers of an image are a function of ``seed`` and its name alone: the same in any batch, order or process, and
    on any device, to which they are to be moved.

    Raises:
        UserError: not one name per image.
    """
    if len(names) != shape[0]:
        raise UserError(f"{shape[0]} images and {len(names)} names: random starts need one name per image")
    drawn = np.empty(tuple(shape), dtype=np.float32)
    for image, name in zip(drawn, names, strict=True):
        stream(Draw.ATTACK_START, seed, name).random(dtype=np.float32, out=image)
    return torch.from_numpy(2 * drawn - 1)


def ball_bounds(images: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The lowest and highest values in [0, 1] that are at most ``radius`` from ``images``.

    Rounded inward, so that the difference does not exceed ``radius`` even by a rounding error.
    """
    if images.dtype == torch.float32:
        nearest = np.float32(radius)
        radius = float(nearest if float(nearest) <= radius else np.nextafter(nearest, np.float32(0)))
    low = torch.nextafter(images - radius, images).clamp_(min=0)
    return low, torch.nextafter(images + radius, images).clamp_(max=1)


def _checked_start(attack: Attack, images: Tensor, start: Tensor | None) -> Tensor | None:
    """Return the random start that ``attack`` needs, None where it needs none.

    Raises:
        UserError: it is missing, of another shape, or outside [-1, 1]; or ``attack`` is no ``Attack``.
    """
    if not isinstance(attack, Attack):
        raise UserError(f"attack is an Attack such as shapebias.attacks.FGSM, not {described_type(attack)}")
    if not attack.random_start:
        return None
    if start is None:
        raise UserError(f"{attack.title} starts at a random point: pass start=uniform_start(images.shape, seed, names)")
    return checked_like(start, images, "start", bound=1)
