"""AutoAttack (Croce and Hein, ICML 2020) through its authors' code, an optional extra."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.attacks.attack import ball_bounds
from shapebias.attacks.checks import checked_epsilon
from shapebias.attacks.gradient import Criterion, checked_criterion
from shapebias.errors import UserError
from shapebias.models.classifier import frozen_eval

TARGETS = 9  # number of target classes in the standard version
FEWEST_CLASSES = 4  # the loss of the targeted attacks is undefined for fewer


def autoattack(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, *, seed: int, batch_size: int
) -> Tensor:
    """Return ``images`` perturbed by the standard version of AutoAttack, (N, 3, H, W), at most epsilon away, in [0, 1].

    APGD on the cross-entropy, targeted APGD, targeted FAB and Square, each on the images that the previous ones did not
    fool; an image that is misclassified already, or that none fools, is returned unchanged. Slow: some thousand forward
    passes per image. A model with fewer than ten classes is attacked towards all of them.

    Args:
        model: maps images in [0, 1] to logits (N, classes); attacked in evaluation mode and left as found.
        images: float32 RGB in [0, 1], (N, 3, H, W).
        labels: (N,) int64.
        epsilon: in units of 1/255.
        seed: random seed of the library, whose draws depend on the batches too.
        batch_size: images at once.

    Raises:
        UserError: the library is not installed, or an argument cannot be used.
    """
    radius = checked_epsilon(epsilon)
    criterion, images = checked_criterion(model, images, labels, None, None)
    if images.dtype != torch.float32:
        raise UserError(f"AutoAttack needs float32 images and a float32 model, not {images.dtype}")
    library = _library()
    with frozen_eval(model), _global_state(), torch.autocast(images.device.type, enabled=False):
        classes = _classes(criterion, images)
        attack = library.AutoAttack(_RowMajor(model), eps=radius, seed=seed, device=images.device)
        for part in (attack.apgd_targeted, attack.fab):
            part.n_target_classes = min(TARGETS, classes - 1)
        found, _ = attack.run_standard_evaluation(images.contiguous(), criterion.classes, batch_size=batch_size)
        low, high = ball_bounds(images, radius)
        return torch.empty_like(images).copy_(found).clamp_(low, high)


class _RowMajor(nn.Module):
    """The model with gradients laid out in rows: the library assumes that layout."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images.flatten().view(images.shape))


def _classes(criterion: Criterion, images: Tensor) -> int:
    """Return the number of outputs of the model; refuse a model that cannot be attacked."""
    replace(criterion, classes=criterion.classes[:1]).gradient(images[:1])
    with torch.no_grad():
        classes = criterion.model(images[:1]).shape[1]
    if classes < FEWEST_CLASSES:
        raise UserError(f"AutoAttack needs at least {FEWEST_CLASSES} classes, and the model has {classes}")
    return classes


def _library() -> Any:
    try:
        return import_module("pyautoattack")
    except ImportError as error:
        raise UserError(f'AutoAttack needs pyautoattack ({error}): pip install "shapebias[autoattack]"') from error


@contextmanager
def _global_state() -> Iterator[None]:
    """Restore the random state and the trace function afterwards: the library seeds the one and clears the other."""
    trace = sys.gettrace()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            sys.settrace(trace)
