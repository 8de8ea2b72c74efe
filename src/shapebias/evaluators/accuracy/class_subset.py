"""Which outputs of a network a folder's classes are, and answering among those alone.

A folder that has only some of the network's classes is no test of the others: benchmarks of such subsets
(ImageNet-A's and -R's 200 classes, Hendrycks et al. 2021) take the largest of the subset's logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import described, naming_of, wordnet_ids


@dataclass(frozen=True)
class ClassSubset:
    """The answers that a folder's images can have.

    ``outputs`` (classes,) int64 are the numbers of the network's outputs for the folder's ``classes``, in their
    order; ``restricted`` says that the network has others besides, and ``condition`` says so in the results
    file: ``{"answers": "120 of 1000 classes"}``, else nothing.
    """

    classes: tuple[str, ...]
    outputs: Tensor
    condition: dict[str, Any]
    restricted: bool

    def labels(self, folder: ImageSet) -> np.ndarray:
        """For each image of ``folder``, the whole or a part drawn from it, its class's place in ``outputs``."""
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([place[name] for name in folder.classes], dtype=np.int64)[folder.targets]


def answering_among(model: Classifier, folder: ImageSet) -> ClassSubset:
    """The outputs of ``model`` for the classes of ``folder``: give it the whole folder, before any limit.

    ``logits[:, among.outputs]`` are then the logits in the order of the folder's classes.

    Raises:
        UserError: the network's classes are not known or do not hold the folder's.
    """
    classes = model.identity.classes
    if classes is None:
        raise UserError(
            f"the classes of {model.identity.name} are not known, so its answers on {folder.root} cannot be scored: "
            "give --classes FILE, their names in the order of its outputs, one a line"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    missing = [name for name in folder.classes if name not in numbers]
    if missing:
        raise UserError(
            f"{folder.root} and {model.identity.name} have different classes: the network has no "
            f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''} ({len(missing)} of {len(folder.classes)} "
            f"folders); it has {', '.join(described(name) for name in classes[:3])} ...{_naming(classes, folder)}"
        )
    restricted = len(folder.classes) < len(classes)
    return ClassSubset(
        classes=folder.classes,
        outputs=torch.tensor([numbers[name] for name in folder.classes], dtype=torch.int64),
        condition={"answers": f"{len(folder.classes)} of {len(classes)} classes"} if restricted else {},
        restricted=restricted,
    )


def _naming(classes: Sequence[str], folder: ImageSet) -> str:
    """What to do where ImageNet's classes go by other names in ``folder``; empty otherwise."""
    naming = naming_of(folder.classes) if tuple(classes) == wordnet_ids() else ""
    if naming == "indices":
        return "; the folders look like ImageNet's class numbers: call each by its WordNet identifier, 0 as n01440764"
    if naming == "words":
        return "; the folders look like ImageNet's names in words: call each by its WordNet identifier"
    return ""
