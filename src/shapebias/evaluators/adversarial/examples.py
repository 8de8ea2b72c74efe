"""A few attacked images for the report: before, after, the difference, and the model's answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.materialize import save_png
from shapebias.data.readers.nips17 import ATTRIBUTION, attribution
from shapebias.evaluators.adversarial.attack_images import AttackLabels
from shapebias.evaluators.adversarial.batches import attack_batch
from shapebias.evaluators.adversarial.columns import Column
from shapebias.evaluators.base import EvalConfig
from shapebias.files import write_json, write_text
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import described

COUNT = 6
MANIFEST, SCHEMA = "adversarial.json", "shapebias/adversarial/1"


@dataclass(frozen=True)
class Example:
    """An image before and after the attack, (3, H, W) in [0, 1], and the model's answers, by the names of classes."""

    image: str
    label: str
    clean: Tensor
    adversarial: Tensor
    answer_clean: str
    answer_adversarial: str


def draw_examples(names: Sequence[str], seed: int) -> list[int]:
    """Draw the rows of ``COUNT`` images by the random seed and their names alone, whatever their order or answers."""

    def key(row: int) -> bytes:
        return hashlib.sha256(f"{seed}/{names[row]}".encode(errors="surrogateescape")).digest()

    return sorted(sorted(range(len(names)), key=key)[:COUNT])


def example_column(columns: Sequence[Column]) -> int:
    """Return the number of the column to show: the last attack at its largest epsilon."""
    attack = columns[-1].attack
    return max((n for n, c in enumerate(columns) if c.attack == attack), key=lambda n: columns[n].epsilon or 0.0)


def write_examples(folder: Path, examples: Sequence[Example], column: Column, images: ImageSet) -> dict[str, Any]:
    """Write the images into ``folder``, with a manifest and the attribution of the photographs.

    The difference is drawn as 0.5 + (adversarial - clean) / (2 epsilon): grey is no change, full scale epsilon.

    Returns:
        ``{"folder", "images": [{"image", "attack", "epsilon", "label", "answer_clean", "answer_adversarial",
        "clean", "adversarial", "difference"}]}``, the last three relative to the folder.
    """
    epsilon = column.epsilon or 1.0
    rows = []
    for example in examples:
        change = (example.adversarial.double() - example.clean.double()) * 255 / epsilon
        pictures = {
            "clean": example.clean,
            "adversarial": example.adversarial,
            "difference": 0.5 + change / 2,
        }
        files = {kind: f"{kind}/{example.image}.png" for kind in pictures}
        for kind, picture in pictures.items():
            save_png(folder / files[kind], picture)
        answers = {"label": example.label, "answer_clean": example.answer_clean}
        answers["answer_adversarial"] = example.answer_adversarial
        words = {key: described(name) for key, name in answers.items()}
        rows.append({"image": example.image, "attack": column.attack, "epsilon": column.epsilon, **words, **files})
    write_json(folder / MANIFEST, {"schema": SCHEMA, "kind": "examples", "images": rows})
    credit = attribution(images.take([images.names.index(example.image) for example in examples]))
    if credit is not None:
        write_text(folder / ATTRIBUTION, credit)
    return {"folder": str(folder.resolve()), "images": rows}


def attack_examples(
    model: Classifier,
    images: ImageSet,
    labels: AttackLabels,
    rows: Sequence[int],
    answers: np.ndarray,
    columns: Sequence[Column],
    setting: EvalConfig,
    evaluator: str,
) -> dict[str, Any]:
    """Attack a few images once more and write them: the images are rounded to 8 bits, the difference is exact.

    ``rows`` are the images that have ``answers`` (rows, columns).
    """
    number = example_column(columns)
    column, places = columns[number], draw_examples([images.names[row] for row in rows], setting.seed)
    chosen = [rows[place] for place in places]
    clean = torch.stack([model.preprocessing(load_rgb(images.paths[row])) for row in chosen])
    one_column = replace(setting, attacks=(column.attack,), epsilons=(column.epsilon or 1.0,), strict=False)
    there, found = attack_batch(
        model,
        clean,
        [images.names[row] for row in chosen],
        labels.take(chosen),
        one_column,
        lambda _column, perturbed, _rows: perturbed.cpu(),
    )
    classes = list(model.identity.classes or ())
    examples = [
        Example(
            image=images.names[chosen[i]],
            label=images.labels[chosen[i]],
            clean=clean[i],
            adversarial=adversarial,
            answer_clean=classes[answers[places[i], 0]],
            answer_adversarial=classes[answers[places[i], number]],
        )
        for i, adversarial in zip(there, found[1] if found else (), strict=True)
    ]
    return write_examples(setting.out / model.identity.name / evaluator, examples, column, images)
