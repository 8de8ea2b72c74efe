"""What both evaluators of attacks share: their images, a network's outputs for them, and the attacks by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from shapebias.attacks.attack import ATTACKS, attack_sweep, uniform_start
from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import GradientNotFinite, loss_gradient, no_gradient
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import digest_attacked, find_competition, no_table, read_competition
from shapebias.errors import UserError
from shapebias.evaluators.accuracy.accuracy import check_logits
from shapebias.evaluators.accuracy.class_images import class_images
from shapebias.evaluators.accuracy.class_subset import answering_among
from shapebias.evaluators.adversarial.attack_table import Column
from shapebias.evaluators.base import EvalConfig
from shapebias.models.classifier import Classifier
from shapebias.models.frozen_eval import frozen_eval
from shapebias.models.imagenet import wordnet_ids

Found = TypeVar("Found")

NEEDS = "the NeurIPS 2017 competition's images (nips17/: images.csv and images/), or any folder of class folders"


def images_to_attack(setting: EvalConfig) -> ImageSet:
    """The competition's images or those of class folders, at most ``setting.limit`` of them.

    Raises:
        UserError: no such data, or none that the attacks of ``setting`` can be made on.
    """
    if not setting.attacks:
        raise UserError("no attacks given: choose some with --attacks")
    table = find_competition(setting.data)
    if table is not None:
        images = read_competition(table, wordnet_ids(), strict=setting.strict)
    else:
        try:
            images = replace(class_images(setting.data), digest=digest_attacked)
        except UserError as error:
            raise no_table(setting.data) or error from None
    if setting.targeted and "target" not in images.columns:
        raise UserError(
            f"--targeted needs a class for each image to be taken for, which {images.root} does not give: "
            "only a competition's CSV with the column TargetClass does"
        )
    if setting.targeted and "autoattack" in setting.attacks:
        raise UserError("autoattack goes away from the true class only: leave it or --targeted out")
    return images.subsample(setting.limit, setting.seed)


@dataclass(frozen=True)
class Truth:
    """A network's outputs for the images: ``labels`` (N,) int64, and ``targets`` likewise where attacks have any."""

    labels: Tensor
    targets: Tensor | None

    @classmethod
    def of(cls, model: Classifier, images: ImageSet, *, targeted: bool) -> Truth:
        """Looked up in the network's classes by name.

        Raises:
            UserError: the network's classes are not known or do not hold the images'.
        """
        targets = images.columns["target"] if targeted else None
        classes = tuple(sorted({*images.labels, *(targets or ())}))
        among = answering_among(model, replace(images, classes=classes))
        output = dict(zip(among.classes, among.outputs.tolist(), strict=True))
        return cls(
            torch.tensor([output[label] for label in images.labels]),
            None if targets is None else torch.tensor([output[target] for target in targets]),
        )

    def at(self, rows: Sequence[int]) -> Truth:
        """Those of some images."""
        chosen = list(rows)
        return Truth(self.labels[chosen], None if self.targets is None else self.targets[chosen])

    def rows(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """Those of some images, for counting."""
        chosen = list(rows)
        return self.labels.numpy()[chosen], None if self.targets is None else self.targets.numpy()[chosen]


def clean_gradient(model: Classifier, images: Tensor, truth: Truth) -> tuple[Tensor, np.ndarray]:
    """The gradient that attacks on ``images`` follow first, and for which of them (N,) it is exactly zero."""
    gradient = loss_gradient(model, images, truth.labels if truth.targets is None else truth.targets)
    return gradient, ~gradient.flatten(1).any(dim=1).cpu().numpy()  # NaN is not zero


def attacked(
    model: Classifier,
    images: Tensor,
    truth: Truth,
    names: Sequence[str],
    attacks: Sequence[str],
    epsilons: Sequence[float],
    seed: int,
    gradient: Tensor | None = None,
) -> Iterator[tuple[Column, Tensor]]:
    """Every attack at every epsilon on ``images`` (N, 3, H, W), attack by attack; random starts go by seed and name.

    ``gradient`` is that at the images, where it is known already (``clean_gradient``).

    Raises:
        UserError: something that cannot be attacked.
        GradientNotFinite: with the column whose gradients are.
    """
    ours = [ATTACKS[name] for name in attacks if name in ATTACKS]
    start = uniform_start(images.shape, seed, names).to(images) if any(a.random_start for a in ours) else None
    grid = attack_sweep(
        model, images, truth.labels, ours, epsilons, targets=truth.targets, start=start, gradient=gradient
    )
    for name in attacks:
        for epsilon in epsilons:
            if name in ATTACKS:
                yield Column(name, float(epsilon)), next(grid).images
            else:
                found = autoattack(model, images, truth.labels, epsilon, seed=seed, batch_size=len(images))
                yield Column(name, float(epsilon)), found


def finite_only(
    names: Sequence[str], work: Callable[[list[int]], Found], *, network: str, strict: bool
) -> tuple[list[int], Found | None]:
    """``work`` on as many of a batch's images as have finite gradients: it begins anew without those that have not.

    Returns:
        The rows of these images, and what ``work`` returned for them; None where there is no such image.

    Raises:
        UserError: the first one that has not, under ``strict``.
    """
    rows = list(range(len(names)))
    while rows:
        try:
            return rows, work(rows)
        except GradientNotFinite as error:
            odd = {rows[index] for index in error.indices}
            if strict:
                raise UserError(
                    f"the gradient of {network} is not finite for {names[min(odd)]} "
                    "(remove the image, or leave out --strict)"
                ) from error
            rows = [row for row in rows if row not in odd]
    return rows, None


def check_attackable(model: Classifier, root: Path, attacks: Sequence[str]) -> None:
    """Refuse a network that cannot be attacked, by one gradient at a picture of noise.

    Raises:
        UserError: it has no gradient or one of zero everywhere, or AutoAttack is asked for and cannot be made.
    """
    size, where = model.preprocessing.size, model.mean.device
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(where)
    try:
        gradient = loss_gradient(model, noise, torch.zeros(1, dtype=torch.int64, device=where))
        with frozen_eval(model), torch.no_grad():
            least = model(noise).argmin(1)
        # of a class that it is wholly sure of the loss is flat; of the least likely one it is not
        if not gradient.any() and not loss_gradient(model, noise, least).any():
            raise no_gradient()
        if "autoattack" in attacks:  # it leaves an image as it is that is misclassified already
            autoattack(model, noise, least, 1.0, seed=0, batch_size=1)
    except UserError as error:
        raise UserError(f"{model.identity.name} cannot be attacked on {root}: {error}") from error


class Count:
    """How many gradients were taken."""

    images = 0


@contextmanager
def counting(model: Classifier) -> Iterator[Count]:
    """Counts the images whose gradients are taken meanwhile."""
    count = Count()

    def look(_module: Any, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].requires_grad:
            count.images += len(inputs[0])

    handle = model.register_forward_pre_hook(look)
    try:
        yield count
    finally:
        handle.remove()


def checked_logits(logits: Tensor, names: Sequence[str], model: Classifier) -> Tensor:
    """``logits`` (N, classes) as they are.

    Raises:
        UserError: another shape; or NaN or infinity, with the network's name and the first image that has them.
    """
    if isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == len(names):
        finite = logits.isfinite().all(dim=1).tolist()
        if not all(finite):
            raise not_finite(model, names[finite.index(False)])
    check_logits(logits, len(model.identity.classes or ()))
    return logits


def not_finite(model: Classifier, image: str) -> UserError:
    """What is wrong with outputs that hold NaN or infinity."""
    return UserError(
        f"{model.identity.name} answers {image} with NaN or infinity: look at its weights, or at the image"
    )
