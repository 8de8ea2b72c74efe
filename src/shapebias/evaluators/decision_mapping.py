"""Answers of a model in categories: by its own classes, or by ImageNet's mapped to the 16."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.categories16 import CATEGORIES, MEMBERS, category_probabilities, is_imagenet
from shapebias.data.folders import part
from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError, first_three, some
from shapebias.evaluators.accuracy import check_logits
from shapebias.evaluators.base import EvalConfig
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import category_words
from shapebias.results.responses import trials_of, write_responses


@dataclass(frozen=True)
class DecisionMapping:
    """The answers that a model can give, and the mapping of its outputs to scores of these answers.

    ``mapping`` is "own" where the answers are the model's own classes, else "mean", "sum" or "max" over the outputs
    that are the ``members`` of each answer. ``classes`` is the number of outputs; ``details`` are stated with results.
    """

    network: str
    names: tuple[str, ...]
    mapping: str
    classes: int
    members: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_published(self) -> bool:
        """True where ImageNet's classes are mapped as in published figures."""
        return self.members is MEMBERS and self.mapping == "mean"

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (N, classes) to float64 scores (N, names) on the CPU: probabilities, mapped unless "own".

        Raises:
            UserError: the output is not (N, classes), holds NaN or infinity, or has another number of classes.
        """
        imagenet = self.members is MEMBERS
        check_logits(logits, None if imagenet else self.classes)
        if imagenet and logits.shape[1] != self.classes:
            raise UserError(
                f"{self.network} has {logits.shape[1]} outputs: for the 16 categories it needs ImageNet's 1000 "
                "classes, or the categories as its own; give --classes FILE or --class-map FILE"
            )
        probabilities = logits.cpu().double().softmax(1)
        if self.mapping == "own":
            return probabilities
        return torch.from_numpy(category_probabilities(probabilities.numpy(), self.mapping, self.members))


class CategoryEvaluator:
    """The part that evaluators of one folder of images in categories share: its reading, and the check of a model.

    A subclass states ``below``, the usual names of its folder, and the two methods that raise here.
    """

    name = ""
    needs = ""
    below: Sequence[str] = ()

    def __init__(self, config: EvalConfig) -> None:
        self.config = config
        self.folder = self.read(self.find(config.data) or config.data)

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """Return the folder of one of the usual names below ``root``."""
        return part(root, cls.below)

    def read(self, folder: Path) -> ImageSet:
        """Read the images."""
        raise NotImplementedError

    def answering(self, model: Classifier) -> DecisionMapping:
        """Return the decision mapping of ``model``; refuse one that cannot answer with the images' categories."""
        raise NotImplementedError

    @property
    def sources(self) -> ImageSet:
        """The whole folder."""
        return self.folder

    @property
    def fingerprint(self) -> str:
        """Of the folder."""
        return self.folder.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model that cannot answer with the images' categories."""
        self.answering(model)

    def write_answers(
        self, model: Classifier, title: str, answers: Sequence[str], shapes: Sequence[str], images: Sequence[Path]
    ) -> str:
        """Write the raw responses beside the model's results; return the name of the file."""
        name = model.identity.name
        file = f"{title}_{name.replace('_', '-').replace('/', '-')}_session-1.csv"
        write_responses(self.config.out / name / file, trials_of(name, answers, shapes, images))
        return file


def decision_mapping(model: Classifier, wanted: Collection[str], folder: Path, config: EvalConfig) -> DecisionMapping:
    """Choose the mapping for ``model`` on images of the categories ``wanted``.

    A model whose own classes hold all of them, as they are called or as lowercase letters (``category_word``), answers
    with these. The classes of any other are mapped to the 16 categories: by ``config.class_map`` where this names
    some, and then only the categories in it can be answered; else they must be ImageNet's in ImageNet's order (their
    names, where known, are checked).

    Raises:
        UserError: categories that are neither the model's nor among the 16, or a model of other classes.
    """
    name, classes, mapping = model.identity.name, model.identity.classes, config.mapping
    if classes is not None and set(wanted) <= set(classes):
        return DecisionMapping(name, classes, "own", len(classes))
    if mapped := _by_class_map(model, wanted, folder, config):
        return mapped
    strange = sorted(set(wanted) - set(CATEGORIES))
    if classes is not None and (strange or not is_imagenet(classes)):
        words = category_words(classes)
        if set(wanted) <= set(words):
            return DecisionMapping(name, words, "own", len(words))
    if strange:
        raise UserError(
            f"{folder} holds categories that are neither classes of {name} nor among the 16: {first_three(strange)}"
        )
    if classes is not None and not is_imagenet(classes):
        hint = " (1000, but not ImageNet's WordNet identifiers in their order)" if len(classes) == 1000 else ""
        raise UserError(
            f"{name} has other classes ({first_three(classes)}{hint}) than the images in {folder} "
            f"({first_three(sorted(wanted))}): give --class-map FILE with lines such as '{classes[0]},cat' for the "
            "classes that belong to one of the 16 categories"
        )
    return DecisionMapping(name, CATEGORIES, mapping, 1000, MEMBERS)


def _by_class_map(
    model: Classifier, wanted: Collection[str], folder: Path, config: EvalConfig
) -> DecisionMapping | None:
    """Return the mapping by ``config.class_map``; None where it names no class of the model.

    Raises:
        UserError: none of its categories is among ``wanted``.
    """
    table, classes = config.class_map or {}, model.identity.classes or ()
    own = {name: table[name] for name in classes if name in table}
    if not own:
        return None
    if not {*own.values()} & {*wanted}:
        raise UserError(
            f"--class-map gives {model.identity.name} the categories {first_three(sorted({*own.values()}))}, of which "
            f"{folder} has no images"
        )
    members: dict[str, list[int]] = {category: [] for category in CATEGORIES if category in own.values()}
    for number, name in enumerate(classes):
        if name in own:
            members[own[name]].append(number)
    details: dict[str, Any] = {"class_map": own}
    if others := sorted(table.keys() - own.keys()):
        details["warning"] = f"--class-map names no classes of {model.identity.name}: {some(others)}"
    return DecisionMapping(model.identity.name, tuple(members), config.mapping, len(classes), members, details)
