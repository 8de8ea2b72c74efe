"""Images to attack, their classes in a model's outputs, and the check that a model can be attacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import loss_gradient, no_gradient
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import digest_attacked, find_competition, no_table, read_competition
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.class_subset import answering_among, class_images, find_imagenet
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.imagenet import wordnet_ids

NEEDS = "the NeurIPS 2017 competition's images (nips17/: images.csv and images/), or any folder of class folders"


def find_images_to_attack(root: Path) -> Path | None:
    """Return the folder of the competition's images below ``root``, else of images to test with."""
    table = find_competition(root)
    return table.parent if table else find_imagenet(root)


def images_to_attack(config: EvalConfig) -> ImageSet:
    """Read the competition's images or those of class folders, at most ``config.limit`` of them.

    Raises:
        UserError: no such data, or none that the attacks of ``config`` can be made on.
    """
    if not config.attacks:
        raise UserError("no attacks given: choose some with --attacks")
    table = find_competition(config.data)
    if table is not None:
        images = read_competition(table, wordnet_ids(), strict=config.strict)
    else:
        try:
            images = replace(class_images(config.data, config.holdouts), digest=digest_attacked)
        except UserError as error:
            raise no_table(config.data) or error from None
    if config.targeted and "target" not in images.columns:
        raise UserError(
            f"--targeted needs a target class for each image, which {images.root} does not give: "
            "only a competition's CSV with the column TargetClass does"
        )
    if config.targeted and "autoattack" in config.attacks:
        raise UserError("autoattack is untargeted only: omit it or --targeted")
    return images.subsample(config.limit, config.seed)


@dataclass(frozen=True)
class AttackLabels:
    """A model's outputs for the images: ``labels`` (N,) int64, and ``targets`` likewise for targeted attacks."""

    labels: Tensor
    targets: Tensor | None

    @classmethod
    def of(cls, model: Classifier, images: ImageSet, *, targeted: bool) -> AttackLabels:
        """Look the images' classes up in those of the model, by name.

        Raises:
            UserError: the model's classes are not known or do not hold the images'.
        """
        targets = images.columns["target"] if targeted else None
        classes = tuple(sorted({*images.labels, *(targets or ())}))
        among = answering_among(model, replace(images, classes=classes))
        output = dict(zip(among.classes, among.outputs.tolist(), strict=True))
        return cls(
            torch.tensor([output[label] for label in images.labels]),
            None if targets is None else torch.tensor([output[target] for target in targets]),
        )

    def take(self, rows: Sequence[int]) -> AttackLabels:
        """Return those of some images."""
        chosen = list(rows)
        return AttackLabels(self.labels[chosen], None if self.targets is None else self.targets[chosen])


def check_attackable(model: Classifier, root: Path, attacks: Sequence[str]) -> None:
    """Refuse a model that cannot be attacked, by its gradient at an image of noise.

    Raises:
        UserError: it has no gradient or one of zero everywhere, or AutoAttack is asked for and cannot be run.
    """
    size, device = model.preprocessing.size, model.mean.device
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    try:
        gradient = loss_gradient(model, noise, torch.zeros(1, dtype=torch.int64, device=device))
        with frozen_eval(model), torch.no_grad():
            least_likely = model(noise).argmin(1)
        # the loss of a class that the model is certain of is flat; that of the least likely one is not
        if not gradient.any() and not loss_gradient(model, noise, least_likely).any():
            raise no_gradient()
        if "autoattack" in attacks:  # it returns an image that is misclassified already
            autoattack(model, noise, least_likely, 1.0, seed=0, batch_size=1)
    except UserError as error:
        raise UserError(f"{model.identity.name} cannot be attacked on {root}: {error}") from error
