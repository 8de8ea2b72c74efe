"""The gradient of the loss with respect to the image."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from shapebias.attacks.checks import EXACT, checked_classes, checked_images, checked_network
from shapebias.errors import UserError
from shapebias.models.frozen_eval import frozen_eval


class GradientNotFinite(Exception):
    """The gradient of some images holds NaN or infinity; ``indices`` are their rows in the batch."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        self.indices = indices
        rows = ", ".join(map(str, indices))
        super().__init__(f"the network's gradient is NaN or infinite for {len(indices)} of the images: rows {rows}")


@dataclass(frozen=True)
class Criterion:
    """What an attack is after: the loss of ``classes`` grows where ``towards`` is False, and falls where it is True.

    ``largest`` is the largest of the classes, known here so that no step has to ask the device for it.
    """

    model: nn.Module
    classes: Tensor
    largest: int
    towards: bool
    autocast: torch.dtype | None

    def gradient(self, images: Tensor) -> Tensor:
        """Of the summed cross-entropy with respect to ``images``, in their type; called inside ``frozen_eval``."""
        device = images.device.type
        leaf = images.detach().requires_grad_()
        with torch.autocast(device, enabled=False):  # of the backward pass too
            with nullcontext() if self.autocast is None else torch.autocast(device, dtype=self.autocast):
                logits = self.model(leaf.clone())  # a copy, for some networks change their input
            self._check(logits, images)
            logits = logits if logits.dtype in EXACT else logits.float()
            loss = functional.cross_entropy(logits, self.classes, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
        if gradient is None:
            raise no_gradient()
        return gradient

    def _check(self, logits: object, images: Tensor) -> None:
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(images):
            found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise UserError(f"the network returned {found}: attacks need logits ({len(images)}, classes)")
        if self.largest >= logits.shape[1]:
            kind = "targets" if self.towards else "labels"
            raise UserError(
                f"{kind} hold {self.largest}, and the network has {logits.shape[1]} outputs, counted from 0: "
                "look at how the data's classes are numbered"
            )
        if not logits.requires_grad:
            raise no_gradient()


def criterion(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, autocast: torch.dtype | None
) -> tuple[Criterion, Tensor]:
    """The goal of an attack, and the images to begin at, all checked.

    Raises:
        UserError: images, classes or network that cannot be used.
    """
    images = checked_images(images)
    classes, largest = checked_classes(labels, images, "labels")
    if targets is not None:
        classes, largest = checked_classes(targets, images, "targets")
    checked_network(model, images, autocast)
    return Criterion(model, classes, largest, targets is not None, autocast), images


def loss_gradient(model: nn.Module, images: Tensor, labels: Tensor, *, autocast: torch.dtype | None = None) -> Tensor:
    """Gradient (N, 3, H, W) of the summed cross-entropy of ``labels`` with respect to ``images``.

    Of the sum, so that an image's gradient does not depend on the others of its batch. It may hold NaN or infinity:
    the attacks look for that.

    Args:
        model: from images in [0, 1] to logits (N, classes); measured in evaluation mode and left as found.
        images: float RGB in [0, 1], (N, 3, H, W).
        labels: (N,) int64. For a targeted attack the classes to go to.
        autocast: type of the forward pass; None: that of the images, whatever surrounds the call. Half precision turns
            signs round, and in ``torch.float16`` the gradients of confident answers may vanish.

    Raises:
        UserError: images, labels or network that cannot be used, or a network without gradients.
    """
    aim, images = criterion(model, images, labels, None, autocast)
    with frozen_eval(model):
        return aim.gradient(images)


def no_gradient() -> UserError:
    """What is wrong with a network that gives attacks nothing to follow."""
    return UserError(
        "the network has no gradient: its output does not depend differentiably on the image "
        "(torch.no_grad, detach, argmax or rounding inside it), and these attacks follow the gradient"
    )
