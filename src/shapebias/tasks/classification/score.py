"""How good answers are: the one number that settings are chosen by, and per-image values."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch

from shapebias.data.image_set import ImageSet
from shapebias.metrics.functional.average_precision import Kind, MeanAP, mean_ap_interval, mean_average_precision
from shapebias.models.predict import Predictions
from shapebias.stats.intervals import wilson
from shapebias.tasks.classification.loss import task_loss
from shapebias.tasks.sweep import Score

KINDS: tuple[Kind, ...] = get_args(Kind)


def score(part: ImageSet, answers: Predictions) -> Score:
    """Top-1 or mean AP (the kind ``ap``) of logits or other outputs that grow with a class's likelihood."""
    targets = part.targets[answers.rows]
    loss = float(task_loss(torch.from_numpy(answers.values), torch.from_numpy(targets)))
    if targets.ndim == 1:
        return Score(float(right(part, answers).mean()), loss)
    return Score(mean_ap(part, answers, "ap").value, loss)


def right(part: ImageSet, answers: Predictions) -> np.ndarray:
    """Which images' largest output is their class, (n,) bool."""
    return answers.values.argmax(1) == part.targets[answers.rows]


def mean_ap(part: ImageSet, answers: Predictions, kind: Kind) -> MeanAP:
    """Mean average precision of one kind."""
    targets = part.targets[answers.rows]
    return mean_average_precision(answers.values, targets == 1, targets >= 0, kind)


def per_class_top1(part: ImageSet, answers: Predictions, classes: int) -> np.ndarray:
    """The share of right answers of each class, (classes,); NaN for one without images."""
    targets = part.targets[answers.rows]
    count = np.bincount(targets, minlength=classes)
    hits = np.bincount(targets, weights=right(part, answers), minlength=classes)
    with np.errstate(invalid="ignore"):
        return hits / count


def image_interval(part: ImageSet, answers: Predictions, kind: Kind | None, seed: int) -> tuple[float, float] | None:
    """The 95 % interval over images: Wilson's of top-1, the bootstrap's of a ``kind`` of mean AP."""
    if kind is None:
        found = right(part, answers)
        return wilson(int(found.sum()), len(found))
    targets = part.targets[answers.rows]
    return mean_ap_interval(answers.values, targets == 1, targets >= 0, kind, seed=seed)
