"""The gradient of the loss with respect to the image."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from shapebias.attacks.checks import EXACT, checked_classes, checked_images, checked_model
from shapebias.errors import UserError
from shapebias.models.classifier import frozen_eval


class GradientNotFinite(Exception):
    """The gradient of some images holds NaN or infinity; ``indices`` are their rows in the batch."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        self.indices = indices
        rows = ", ".join(map(str, indices))
        super().__init__(f"the gradient of the model is NaN or infinite for {len(indices)} of the images: rows {rows}")


@dataclass(frozen=True)
class Criterion:
    """The loss that an attack changes: it increases that of ``classes``, or decreases it where ``towards`` is True.

    ``largest`` is the largest of the classes, stored so that no step has to wait for the device to look it up.
    """

    model: nn.Module
    classes: Tensor
    largest: int
    towards: bool
    autocast: torch.dtype | None

    def gradient(self, images: Tensor) -> Tensor:
        """The gradient of the summed cross-entropy at ``images``, in their type; called inside ``frozen_eval``."""
        device = images.device.type
        leaf = images.detach().requires_grad_()
        with torch.autocast(device, enabled=False):  # of the backward pass too
            with nullcontext() if self.autocast is None else torch.autocast(device, dtype=self.autocast):
                logits = self.model(leaf.clone())  # a copy, for some models change their input
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
            raise UserError(f"the model returned {found}: attacks need logits ({len(images)}, classes)")
        if self.largest >= logits.shape[1]:
            kind = "targets" if self.towards else "labels"
            raise UserError(
                f"{kind} hold {self.largest}, and the model has {logits.shape[1]} outputs, counted from 0: "
                "check how the classes of the data are numbered"
            )
        if not logits.requires_grad:
            raise no_gradient()


def checked_criterion(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, autocast: torch.dtype | None
) -> tuple[Criterion, Tensor]:
    """Return the criterion of an attack, and the images to start at, all checked.

    Raises:
        UserError: images, classes or model that cannot be used.
    """
    images = checked_images(images)
    classes, largest = checked_classes(labels, images, "labels")
    if targets is not None:
        classes, largest = checked_classes(targets, images, "targets")
    checked_model(model, images, autocast)
    return Criterion(model, classes, largest, targets is not None, autocast), images


def loss_gradient(model: nn.Module, images: Tensor, labels: Tensor, *, autocast: torch.dtype | None = None) -> Tensor:
    """Return the gradient (N, 3, H, W) of the summed cross-entropy of ``labels`` with respect to ``images``.

    Because of the sum the gradient of an image does not depend on the others of its batch. It may hold NaN or infinity:
    the attacks check for that.

    Args:
        model: maps images in [0, 1] to logits (N, classes); run in evaluation mode and left as found.
        images: float RGB in [0, 1], (N, 3, H, W).
        labels: (N,) int64. For a targeted attack the classes to move towards.
        autocast: type of the forward pass; None: that of the images, also inside an autocast context. Half precision
            flips signs, and in ``torch.float16`` the gradients of confident predictions may vanish.

    Raises:
        UserError: images, labels or model that cannot be used, or a model without gradients.
    """
    criterion, images = checked_criterion(model, images, labels, None, autocast)
    with frozen_eval(model):
        return criterion.gradient(images)


def no_gradient() -> UserError:
    """Return the error of a model without a gradient to follow."""
    return UserError(
        "the model has no gradient: its output does not depend differentiably on the image "
        "(torch.no_grad, detach, argmax or rounding inside it), and these attacks follow the gradient"
    )
