"""Answers of a model in categories: by its own classes, or by ImageNet's mapped to the 16."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shapebias.data.categories16 import CATEGORIES, category_probabilities, is_imagenet
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import check_logits
from shapebias.models.classifier import Classifier


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
            f"{name} has other classes ({', '.join(classes[:3])} ...{hint}) than the images in {folder} "
            f"({', '.join(sorted(wanted)[:3])} ...): its answers cannot be read as these categories"
        )
    return DecisionMapping(name, CATEGORIES, mapping)
