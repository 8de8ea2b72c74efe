"""Shape bias on cue-conflict images (Geirhos et al. 2019; the paper's section 4.1 and Table 1)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.cue_conflict import CueConflictFolder
from shapebias.data.folder import part
from shapebias.errors import UserError
from shapebias.files import write_text
from shapebias.measure.accuracy import check_logits
from shapebias.measure.categories16 import CATEGORIES, category_probabilities
from shapebias.measure.contract import Outcome, Setting, data_details, predictions
from shapebias.measure.intervals import bootstrap, wilson
from shapebias.measure.results import Entry
from shapebias.models.classifier import Classifier

COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")


def shape_bias(shape: int, texture: int) -> float:
    """Shape decisions among the decisions for either cue; NaN where there are none.

    >>> shape_bias(3, 1)
    0.75
    """
    return shape / (shape + texture) if shape + texture else math.nan


class ShapeBias:
    """Benchmark ``shape-bias``: which of two conflicting cues a network decides by.

    The data folder has the published naming (``SHAPE/shapeN-textureM.png``), or a ``cue-conflict/`` of
    it. Images whose cues agree are left out and counted. A network whose classes hold all of the images'
    categories answers by the largest of its own probabilities; one with ImageNet's 1000 classes by the
    mean of each category's member classes. Metrics: ``shape_bias`` (n: decisions for either cue; bootstrap
    over images), ``shape_decisions`` and ``texture_decisions`` (n: conflict images; Wilson).
    """

    benchmark = "shape-bias"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.folder = CueConflictFolder.scan(part(setting.data, ["cue-conflict"]) or setting.data)

    def run(self, model: Classifier) -> Outcome:
        """Decide every conflict image, write the raw responses, and count."""
        folder = self.folder
        names, mapping = self._answers(model)

        def read(logits: torch.Tensor) -> torch.Tensor:
            check_logits(logits, len(names) if mapping == "own" else None)
            if mapping == "mean" and logits.shape[1] != 1000:
                raise UserError(
                    f"{model.identity.name} has {logits.shape[1]} outputs: for the 16 categories it needs ImageNet's "
                    "1000 classes, or the categories as its own"
                )
            return logits.cpu().double().softmax(1)

        indices, probabilities, unreadable = predictions(model, folder.paths, self.setting, self.benchmark, read=read)
        scores = probabilities.numpy() if mapping == "own" else category_probabilities(probabilities.numpy())
        answers = [names[int(n)] for n in scores.argmax(1)]
        shapes, textures = ([values[i] for i in indices] for values in (folder.shapes, folder.textures))
        file = f"cue-conflict_{model.identity.name.replace('_', '-').replace('/', '-')}_session-1.csv"
        images = [folder.paths[i] for i in indices]
        write_responses(self.setting.out / model.identity.name / file, model.identity.name, answers, shapes, images)
        details = {
            "mapping": mapping,
            "same_category_left_out": folder.same,
            "other_names_left_out": list(folder.foreign),
            "responses": file,
            "confidence": {
                "shape": _mean_of(scores, names, shapes),
                "texture": _mean_of(scores, names, textures),
            },
            "data": data_details(folder.root, len(indices), folder.fingerprint, unreadable),
        }
        relative = tuple(image.relative_to(folder.root).as_posix() for image in images)
        return score(answers, shapes, textures, relative, details, mapping=mapping, seed=self.setting.seed)

    def _answers(self, model: Classifier) -> tuple[Sequence[str], str]:
        wanted = {*self.folder.shapes, *self.folder.textures}
        classes = model.identity.classes
        if classes is not None and wanted <= set(classes):
            return classes, "own"
        unknown = sorted(wanted - set(CATEGORIES))
        if unknown:
            raise UserError(f"{self.folder.root} holds categories that are not among the 16: {', '.join(unknown)}")
        if classes is not None and len(classes) != 1000:
            raise UserError(
                f"{model.identity.name} has other classes ({', '.join(classes[:3])} ...) than the images in "
                f"{self.folder.root} ({', '.join(sorted(wanted)[:3])} ...): its shape bias cannot be measured on them"
            )
        return CATEGORIES, "mean"


def score(
    answers: Sequence[str],
    shapes: Sequence[str],
    textures: Sequence[str],
    images: tuple[str, ...],
    details: dict[str, Any],
    *,
    mapping: str,
    seed: int,
) -> Outcome:
    """Count decisions for either cue and put them into figures, overall and per shape category."""
    by_shape = np.array([a == s for a, s in zip(answers, shapes, strict=True)], dtype=np.float64)
    by_texture = np.array([a == t for a, t in zip(answers, textures, strict=True)], dtype=np.float64)
    pairs = np.stack([by_shape, by_shape + by_texture], axis=1)
    shape, texture, n = int(by_shape.sum()), int(by_texture.sum()), len(answers)
    category = np.array(shapes)
    per_category = {}
    for name in sorted(set(shapes)):
        chosen = category == name
        s, t = int(by_shape[chosen].sum()), int(by_texture[chosen].sum())
        per_category[name] = {"shape": s, "texture": t, "n": int(chosen.sum()), "shape_bias": shape_bias(s, t)}

    def ratio(means: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return means[:, 0] / means[:, 1]

    details = {
        "conflict_images": n,
        "shape": shape,
        "texture": texture,
        "decided_fraction": (shape + texture) / n,
        "per_category": per_category,
        **details,
    }
    condition = {"mapping": mapping}
    entries = [
        Entry(
            "shape-bias",
            "shape_bias",
            shape_bias(shape, texture),
            shape + texture,
            bootstrap(ratio, pairs, seed=seed),
            condition,
            details,
        ),
        Entry("shape-bias", "shape_decisions", shape / n, n, wilson(shape, n), condition),
        Entry("shape-bias", "texture_decisions", texture / n, n, wilson(texture, n), condition),
    ]
    return Outcome(entries, images, {"shape_bias": pairs})


def write_responses(
    path: Path, observer: str, answers: Sequence[str], shapes: Sequence[str], images: Sequence[Path]
) -> None:
    """Write raw responses in the published format: one CSV per observer, one row per trial."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial, (answer, shape, image) in enumerate(zip(answers, shapes, images, strict=True), start=1):
        name = f"{trial:04}_cue_{observer.replace('_', '-')}_00_{shape}_00_{image.name}"
        writer.writerow([observer, 1, trial, "NaN", answer, shape, 0, name])
    write_text(path, text.getvalue())


def _mean_of(scores: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> float:
    columns = [list(names).index(name) for name in wanted]
    return float(scores[np.arange(len(scores)), columns].mean())
