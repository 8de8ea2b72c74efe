"""Answers of a model in categories: by its own classes, or by ImageNet's mapped to the 16."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shapebias.data.categories16 import CATEGORIES, category_probabilities, is_imagenet
from shapebias.data.image_set import ImageSet, part
from shapebias.errors import UserError, first_three
from shapebias.evaluators.accuracy import check_logits
from shapebias.evaluators.base import EvalConfig
from shapebias.models.classifier import Classifier
from shapebias.results.responses import trials_of, write_responses


@dataclass(frozen=True)
class DecisionMapping:
    """The answers that a model can give, and the mapping of its outputs to scores of these answers.

    ``mapping`` is "own" where the answers are the model's own classes, else "mean", "sum" or "max".
    """

    network: str
    names: tuple[str, ...]
    mapping: str

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (N, classes) to float64 scores (N, names) on the CPU: probabilities, mapped unless "own".

        Raises:
            UserError: the output is not (N, classes), holds NaN or infinity, or has another number of classes.
        """
        check_logits(logits, len(self.names) if self.mapping == "own" else None)
        if self.mapping != "own" and logits.shape[1] != 1000:
            raise UserError(
                f"{self.network} has {logits.shape[1]} outputs: for the 16 categories it needs ImageNet's 1000 "
                "classes, or the categories as its own; give --classes FILE (classes= in Python)"
            )
        probabilities = logits.cpu().double().softmax(1)
        if self.mapping == "own":
            return probabilities
        return torch.from_numpy(category_probabilities(probabilities.numpy(), self.mapping))


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


def decision_mapping(model: Classifier, wanted: Collection[str], folder: Path, mapping: str) -> DecisionMapping:
    """Choose the mapping for ``model`` on images of the categories ``wanted``.

    A model whose own classes hold all of them answers with these. Any other must have the classes of ImageNet
    in ImageNet's order (their names, where known, are checked) and is mapped.

    Raises:
        UserError: categories that are neither the model's nor among the 16, or a model of other classes.
    """
    name, classes = model.identity.name, model.identity.classes
    if classes is not None and set(wanted) <= set(classes):
        return DecisionMapping(name, classes, "own")
    strange = sorted(set(wanted) - set(CATEGORIES))
    if strange:
        raise UserError(f"{folder} holds categories that are not among the 16: {', '.join(strange)}")
    if classes is not None and not is_imagenet(classes):
        hint = " (1000, but not ImageNet's WordNet identifiers in their order)" if len(classes) == 1000 else ""
        raise UserError(
            f"{name} has other classes ({first_three(classes)}{hint}) than the images in {folder} "
            f"({first_three(sorted(wanted))}): its answers cannot be read as these categories"
        )
    return DecisionMapping(name, CATEGORIES, mapping)
