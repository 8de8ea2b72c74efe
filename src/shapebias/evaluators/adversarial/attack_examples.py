"""A few attacked pictures for the report: before, after, the difference, and what the network answered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import ATTRIBUTION, attribution
from shapebias.data.transforms import to_image
from shapebias.evaluators.adversarial.adversarial_set import MANIFEST, SCHEMA
from shapebias.evaluators.adversarial.attack_table import Column
from shapebias.evaluators.adversarial.attacked import Truth, attacked, finite_only
from shapebias.evaluators.base import EvalConfig
from shapebias.files import atomic, write_json, write_text
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import described

COUNT = 6


@dataclass(frozen=True)
class Example:
    """An image before and after, (3, H, W) in [0, 1], and the network's answers, by the names of classes."""

    image: str
    label: str
    clean: Tensor
    adversarial: Tensor
    answer_clean: str
    answer_adversarial: str


def drawn_examples(names: Sequence[str], seed: int) -> list[int]:
    """The rows of ``COUNT`` images, drawn by the seed and their names alone: whatever was answered, in any order."""

    def place(row: int) -> bytes:
        return hashlib.sha256(f"{seed}/{names[row]}".encode(errors="surrogateescape")).digest()

    return sorted(sorted(range(len(names)), key=place)[:COUNT])


def shown_column(columns: Sequence[Column]) -> int:
    """The last attack at its largest epsilon."""
    attack = columns[-1].attack
    return max((n for n, c in enumerate(columns) if c.attack == attack), key=lambda n: columns[n].epsilon or 0.0)


def write_examples(folder: Path, examples: Sequence[Example], column: Column, images: ImageSet) -> dict[str, Any]:
    """Write the pictures into ``folder``, with its manifest and whose photographs they are.

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
            "clean": to_image(example.clean),
            "adversarial": to_image(example.adversarial),
            "difference": to_image(0.5 + change / 2),
        }
        files = {kind: f"{kind}/{example.image}.png" for kind in pictures}
        for kind, picture in pictures.items():
            save_png(picture, folder / files[kind])
        answers = {"label": example.label, "answer_clean": example.answer_clean}
        answers["answer_adversarial"] = example.answer_adversarial
        words = {key: described(name) for key, name in answers.items()}
        rows.append({"image": example.image, "attack": column.attack, "epsilon": column.epsilon, **words, **files})
    write_json(folder / MANIFEST, {"schema": SCHEMA, "kind": "examples", "images": rows})
    credit = attribution(images.take([images.names.index(example.image) for example in examples]))
    if credit is not None:
        write_text(folder / ATTRIBUTION, credit)
    return {"folder": str(folder.resolve()), "images": rows}


def exact_examples(
    model: Classifier,
    images: ImageSet,
    truth: Truth,
    rows: Sequence[int],
    answers: np.ndarray,
    columns: Sequence[Column],
    setting: EvalConfig,
    evaluator: str,
) -> dict[str, Any]:
    """Examples of attacks that 8 bits cannot hold, made once more: the picture is rounded, the difference is exact.

    ``rows`` are the images that have ``answers`` (rows, columns).
    """
    number = shown_column(columns)
    column, places = columns[number], drawn_examples([images.names[row] for row in rows], setting.seed)
    chosen = [rows[place] for place in places]
    names = [images.names[row] for row in chosen]
    clean = torch.stack([model.preprocessing(load_rgb(images.paths[row])) for row in chosen]).to(setting.device)

    def work(there: list[int]) -> Tensor:
        of, called = truth.at([chosen[i] for i in there]), [names[i] for i in there]
        epsilons = (column.epsilon or 1.0,)
        return next(attacked(model, clean[there], of, called, (column.attack,), epsilons, setting.seed))[1].cpu()

    there, changed = finite_only(names, work, network=model.identity.name, strict=False)
    classes = list(model.identity.classes or ())
    examples = [
        Example(
            image=names[i],
            label=images.labels[chosen[i]],
            clean=clean[i].cpu(),
            adversarial=adversarial,
            answer_clean=classes[answers[places[i], 0]],
            answer_adversarial=classes[answers[places[i], number]],
        )
        for i, adversarial in zip(there, changed if changed is not None else (), strict=True)
    ]
    return write_examples(setting.out / model.identity.name / evaluator, examples, column, images)


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a picture, whole or not at all."""
    with atomic(path, durable=False) as temporary:
        picture.save(temporary, format="png", compress_level=1)
