"""What an arena is: data for a seed, the recipe of a scheme on it, and the measures of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.files import read_json
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.predict import Loading, PredictedBatches
from shapebias.results.results import Results, without_nan
from shapebias.train.config import TrainConfig

# What tables call a measure, and where a results file has it: evaluator, metric, condition.
MEASURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "shape": ("shape-bias", "shape_decisions", {}),
    "texture": ("shape-bias", "texture_decisions", {}),
    "neither": ("shape-bias", "neither_decisions", {}),
    "shape bias": ("shape-bias", "shape_bias", {}),
    "top-1": ("accuracy", "top1", {}),
    "stylized": ("stylized", "top1", {}),
    "silhouettes": ("silhouettes", "top1", {}),
    "corruptions": ("corruptions", "mean_top1", {}),
    "white-box": ("white-box", "top1", {"attack": "pgd"}),
    "transfer-attack": ("transfer-attack", "top1", {"attack": "mim"}),
    "shape neurons": ("dimensionality", "shape_neurons", {}),
    "texture neurons": ("dimensionality", "texture_neurons", {}),
}


@dataclass(frozen=True)
class Arena:
    """One setting in which all arms are compared.

    Attributes:
        name: of the arena, and of its folder.
        title: what pages call it.
        settings: everything that decides its numbers besides the code: sizes, budgets, data.
        prepare: makes the data of a seed in a folder, and resumes.
        recipe: settings of a scheme's training on it: scheme, folder of the seed, seed.
        measure: evaluates the network in a folder: the folder, folder of the seed, seed.
        dev: seeds to develop on.
        fresh: seeds to confirm with.
    """

    name: str
    title: str
    settings: dict[str, Any]
    prepare: Callable[[Path, int], None]
    recipe: Callable[[str, Path, int], TrainConfig]
    measure: Callable[[Path, Path, int], dict[str, Any]]
    dev: tuple[int, ...]
    fresh: tuple[int, ...]


def measured(results: Results) -> dict[str, Any]:
    """Return the measures that a results file has, each with value, interval over images and count."""
    found: dict[str, Any] = {}
    for name, (evaluator, metric, condition) in MEASURES.items():
        try:
            one = results.get(evaluator, metric, **condition)
        except KeyError:
            continue
        ends = one.ci95 and [round(float(end), 4) for end in one.ci95]
        value = without_nan(one.value)
        found[name] = {"value": None if value is None else round(value, 4), "ci95": ends, "n": one.n}
    return found


def decisions(file: Path) -> str:
    """Return the decision on each cue-conflict image, in the file's order: s by shape, t by texture, n by neither."""
    return "".join(
        "s" if one["decision"] == one["shape"] else "t" if one["decision"] == one["texture"] else "n"
        for one in read_json(file)["images"]
    )


def right(model: Classifier, images: ImageSet) -> str:
    """Return 1 for each of ``images`` that ``model`` classifies correctly, else 0."""
    batches = PredictedBatches(model, list(images.paths), Loading(64, 0, strict=True))
    with frozen_eval(model, "cpu"):
        found = [(logits.argmax(1).numpy() == images.targets[rows]) for rows, logits in batches]
    return "".join("1" if one else "0" for one in np.concatenate(found))
