"""The classes of a data folder, and which outputs of a model they are.

A folder that has only some of the model's classes is no test of the others: benchmarks of such subsets
(ImageNet-A's and -R's 200 classes, Hendrycks et al. 2021) take the largest of the subset's logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.folders import loose_images, part, subfolders
from shapebias.data.holdout import unseen
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders
from shapebias.errors import UserError, first_three
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import described, naming_of, wordnet_ids
from shapebias.stats.intervals import wilson

IMAGENET = ("imagenet", "imagenet-val", "ILSVRC2012", "ILSVRC")


def class_images(root: Path, holdouts: Mapping[str, float] | None = None) -> ImageSet:
    """The images to measure on: those of ``val/`` or ``test/``, a labelled flat folder's, or those of class folders.

    A list that gives numbers to loose images counts ImageNet's sorted WordNet identifiers, where it has each of
    0 to 999 and no ``train/`` states otherwise. ``holdouts`` are as for ``unseen``: of a data set that a training held
    out images of, these alone are returned.

    Raises:
        UserError: none of these layouts, or labels that do not fit.
    """
    return unseen(evaluation_images(root, numbered=wordnet_ids) or read_class_folders(root), holdouts or {})


def find_imagenet(root: Path) -> Path | None:
    """The folder below ``root`` that is called ImageNet, else its own images to test with: of class folders ``val/``.

    For loose ones, which need the labels beside them, and for undivided class folders it is ``root`` itself.
    """
    if named := part(root, IMAGENET):
        return named
    try:
        found = evaluation_images(root, numbered=wordnet_ids)
    except (UserError, OSError):
        return None
    if found is None:
        return root if is_class_folders(root) else None
    return root if found.paths[0].parent == found.root else found.root


def is_class_folders(root: Path) -> bool:
    """Return whether ``root`` is a folder of class folders and not one of data sets: images lie right in every one."""
    folders = subfolders(root)
    return len(folders) > 1 and all(loose_images(root / name) for name in folders)


@dataclass(frozen=True)
class ClassSubset:
    """The answers that a folder's images can have.

    ``outputs`` (classes,) int64 are the numbers of the model's outputs for the folder's ``classes``, in their
    order; ``restricted`` says that the model has others besides, and ``condition`` states so in the results
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
        UserError: the model's classes are not known or do not hold the folder's.
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
            f"folders); it has {first_three(map(described, classes))}{_naming(classes, folder)}"
        )
    restricted = len(folder.classes) < len(classes)
    return ClassSubset(
        classes=folder.classes,
        outputs=torch.tensor([numbers[name] for name in folder.classes], dtype=torch.int64),
        condition={"answers": f"{len(folder.classes)} of {len(classes)} classes"} if restricted else {},
        restricted=restricted,
    )


def _naming(classes: Sequence[str], folder: ImageSet) -> str:
    """Advice where ImageNet's classes go by other names in ``folder``; empty otherwise."""
    naming = naming_of(folder.classes) if tuple(classes) == wordnet_ids() else ""
    if naming == "indices":
        return "; the folders look like ImageNet's class numbers: call each by its WordNet identifier, 0 as n01440764"
    if naming == "words":
        return "; the folders look like ImageNet's names in words: call each by its WordNet identifier"
    return ""


FEWEST = 50  # images, below which nothing is said
FEWEST_OF_CLASS = 3


def order_warning(answers: np.ndarray, targets: np.ndarray, names: Sequence[str], answerable: int) -> str | None:
    """A reason to doubt that a model's classes are in the order of their names; None without one.

    Args:
        answers: (n,) the output each image got.
        targets: (n,) the output that stands for its class.
        names: of all outputs.
        answerable: among how many of them the answer was, for the chance of 1 / ``answerable``.

    Returns:
        A sentence where n is at least 50 and the share of right answers is not above chance (its 95 % Wilson
        interval reaches down to it), or most answers are one and the same number of places off; with the order
        that most answers agree with, if there is one.
    """
    right, n = int((answers == targets).sum()), len(answers)
    interval = wilson(right, n)
    if n < FEWEST or interval is None:
        return None
    shift, by_chance = _shift(answers, targets, len(names)), interval[0] <= 1 / answerable
    if not (shift or by_chance):
        return None
    found = f"{right} of {n} images right" + (f" is no more than chance (1 in {answerable})" if by_chance else "")
    guess = shift or _permutation(answers, targets, names)
    return (
        f"{found}: unless it is untrained, the network's classes may be in another order than their names"
        f"{f'; {guess}' if guess else ''}"
    )


def _shift(answers: np.ndarray, targets: np.ndarray, count: int) -> str:
    """That most images of most classes get the name a fixed number of places further on."""
    distance = (answers - targets) % count
    shift = int(np.bincount(distance, minlength=count).argmax())
    agreeing = distance == shift
    if 2 * agreeing.sum() <= len(answers) or 2 * len(set(targets[agreeing])) <= len(set(targets)) or shift == 0:
        return ""
    places, way = (shift, "later") if shift <= count // 2 else (count - shift, "earlier")
    return f"{agreeing.mean():.0%} of the answers are the name {places} {'place' if places == 1 else 'places'} {way}"


def _permutation(answers: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> str:
    """That most images of a class get one other name, and each class a name of its own."""
    large = [target for target in np.unique(targets) if (targets == target).sum() >= FEWEST_OF_CLASS]
    other: dict[int, int] = {}
    for target in large:
        counts = np.bincount(answers[targets == target])
        if 2 * counts.max() > counts.sum() and counts.argmax() != target:
            other[int(target)] = int(counts.argmax())
    if len(other) < 2 or 2 * len(other) < len(large) or len(set(other.values())) < len(other):
        return ""
    shown = ", ".join(f"{names[a]} is called {names[b]}" for a, b in list(other.items())[:3])
    return f"in {len(other)} of {len(large)} classes most images get one other name, each its own: {shown}"
