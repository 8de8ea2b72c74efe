"""A few attacked images for the report: before, after, the difference, and the model's answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from shapebias.results.layout import ADVERSARIAL_MANIFEST, ADVERSARIAL_SCHEMA

COUNT = 6


def draw_examples(names: Sequence[str], seed: int) -> list[int]:
    """Draw the rows of ``COUNT`` images by the random seed and their names alone, whatever their order or answers."""

    def key(row: int) -> bytes:
        return hashlib.sha256(f"{seed}/{names[row]}".encode(errors="surrogateescape")).digest()

    return sorted(sorted(range(len(names)), key=key)[:COUNT])


def example_column(columns: Sequence[Column]) -> int:
    """Return the number of the column to show: the last attack at its largest epsilon."""
    attack = columns[-1].attack
    return max((n for n, c in enumerate(columns) if c.attack == attack), key=lambda n: columns[n].epsilon or 0.0)


def write_examples(
    folder: Path,
    examples: Iterable[tuple[int, Tensor, Tensor]],
    images: ImageSet,
    answers: np.ndarray,
    columns: Sequence[Column],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Write examples of the column to show, with a manifest and the attribution of the photographs.

    The difference is drawn as 0.5 + (adversarial - clean) / (2 epsilon): grey is no change, full scale epsilon.

    Args:
        folder: theirs.
        examples: row in ``images``, and the image (3, H, W) in [0, 1] before and after the attack.
        images: all that have answers.
        answers: (images, columns), the largest outputs of the model.
        columns: of the answers.
        classes: names of the model's outputs.

    Returns:
        ``{"folder", "images": [{"image", "attack", "epsilon", "label", "answer_clean", "answer_adversarial",
        "clean", "adversarial", "difference"}]}``, the last three relative to the folder.
    """
    number = example_column(columns)
    column, shown, listed = columns[number], list[int](), list[dict[str, Any]]()
    for row, clean, adversarial in examples:
        change = (adversarial.double() - clean.double()) * 255 / (column.epsilon or 1.0)
        pictures = {"clean": clean, "adversarial": adversarial, "difference": 0.5 + change / 2}
        files = {kind: f"{kind}/{images.names[row]}.png" for kind in pictures}
        for kind, picture in pictures.items():
            save_png(folder / files[kind], picture)
        shown.append(row)
        listed.append(
            {
                "image": images.names[row],
                "attack": column.attack,
                "epsilon": column.epsilon,
                "label": described(images.labels[row]),
                "answer_clean": described(classes[int(answers[row, 0])]),
                "answer_adversarial": described(classes[int(answers[row, number])]),
                **files,
            }
        )
    write_json(folder / ADVERSARIAL_MANIFEST, {"schema": ADVERSARIAL_SCHEMA, "kind": "examples", "images": listed})
    if (credit := attribution(images.take(shown))) is not None:
        write_text(folder / ATTRIBUTION, credit)
    return {"folder": str(folder.resolve()), "images": listed}


def attack_examples(
    model: Classifier,
    images: ImageSet,
    labels: AttackLabels,
    answers: np.ndarray,
    columns: Sequence[Column],
    config: EvalConfig,
    folder: Path,
) -> dict[str, Any]:
    """Attack a few of ``images`` once more and write them: they are rounded to 8 bits, the difference is exact."""
    column, rows = columns[example_column(columns)], draw_examples(images.names, config.seed)
    clean = torch.stack([model.preprocessing(load_rgb(images.paths[row])) for row in rows])
    one_column = replace(config, attacks=(column.attack,), epsilons=(column.epsilon or 1.0,), strict=False)
    there, found = attack_batch(
        model,
        clean,
        [images.names[row] for row in rows],
        labels.take(rows),
        one_column,
        lambda _column, perturbed, _rows: perturbed.cpu(),
    )
    examples = [(rows[i], clean[i], after) for i, after in zip(there, found[1] if found else (), strict=True)]
    return write_examples(folder, examples, images, answers, columns, model.identity.classes or ())
