"""Shape bias on cue-conflict images (Geirhos et al. 2019; the paper's section 4.1 and Table 1)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.cue_conflict import OTHER, SAME, photographs, read_cue_conflict
from shapebias.errors import UserError
from shapebias.evaluators.base import data_details
from shapebias.evaluators.decision_mapping import CategoryEvaluator, DecisionMapping, decision_mapping
from shapebias.files import write_text
from shapebias.metrics.functional.shape_bias import shape_bias
from shapebias.models.classifier import Classifier
from shapebias.models.predict import predict
from shapebias.results.layout import DECISIONS_FILE
from shapebias.results.published import published_shape_bias
from shapebias.results.results import EvalResult, Result
from shapebias.stats.bootstrap import ratio_interval
from shapebias.stats.crossed import Crossed
from shapebias.stats.intervals import Interval, wilson


class ShapeBias(CategoryEvaluator):
    """Evaluator ``shape-bias``: which of two conflicting cues a model decides by.

    The data folder has the published naming (``SHAPE/shapeN-textureM.png``), or a ``cue-conflict/`` of
    it. Images whose cues agree are skipped and counted. A model whose classes hold all of the images'
    categories answers by the largest of its own probabilities; one with ImageNet's 1000 classes by the
    mean (or sum, or maximum) of each category's member classes. Metrics: ``shape_bias`` (n: decisions for
    either cue), and the shares of all conflict images decided by either cue and by neither,
    ``shape_decisions``, ``texture_decisions`` and ``neither_decisions`` (n: conflict images). Where images
    share photographs, by their names, the intervals cover the choice of photographs; else that of images.
    """

    name = "shape-bias"
    needs = "cue-conflict images: the published set (github rgeirhos/texture-vs-shape), or 'shapebias cue-conflict'"

    below = ("cue-conflict",)

    def read(self, folder: Path) -> ImageSet:
        """Read the images whose cues differ."""
        return read_cue_conflict(folder)

    def answering(self, model: Classifier) -> DecisionMapping:
        """Return the mapping of the model's outputs to the images' categories."""
        how = decision_mapping(model, set(self.folder.classes), self.folder.root, self.config)
        answerable(self.folder, how)
        return how

    def run(self, model: Classifier) -> EvalResult:
        """Decide every conflict image, write the raw responses and decisions, and count."""
        how = self.answering(model)
        folder, left_out = answerable(self.folder, how)
        found = predict(model, folder.paths, self.config.loading, title=self.name, read=how.scores)
        indices, scores = found.rows, found.values
        answers = [how.names[int(n)] for n in scores.argmax(1)]
        shapes, textures = ([folder.classes[i] for i in cue] for cue in folder.targets[indices].T.tolist())
        images = [folder.paths[i] for i in indices]
        relative = tuple(image.relative_to(folder.root).as_posix() for image in images)
        file = self.write_answers(model, "cue-conflict", answers, shapes, images)
        decisions = self.config.out / model.identity.name / DECISIONS_FILE
        write_decisions(decisions, folder.root, relative, shapes, textures, how.names, scores)
        published = published_shape_bias(model.describe()) if how.is_published else None
        details = {
            **how.details,
            **({"published": published} if published else {}),
            **({"other_categories_left_out": left_out} if left_out else {}),
            "mapping": how.mapping,
            "same_category_left_out": len(folder.skipped[SAME]),
            "other_names_left_out": list(folder.skipped[OTHER]),
            "responses": file,
            "decisions": DECISIONS_FILE,
            "confidence": {
                "shape": _mean_of(shares_of(scores), how.names, shapes),
                "texture": _mean_of(shares_of(scores), how.names, textures),
            },
            "data": data_details(folder.root, len(indices), folder.fingerprint, found.unreadable),
        }
        return score(answers, shapes, textures, relative, details, mapping=how.mapping, seed=self.config.seed)


def answerable(folder: ImageSet, how: DecisionMapping) -> tuple[ImageSet, dict[str, int]]:
    """Return the images both of whose cues can be answered, and how many others there are by what cannot.

    Raises:
        UserError: there are none.
    """
    strange = [[folder.classes[cue] for cue in cues if folder.classes[cue] not in how.names] for cues in folder.targets]
    rows = [row for row, names in enumerate(strange) if not names]
    if not rows:
        raise UserError(
            f"no image in {folder.root} has two cues among the categories that {how.network} can answer: "
            f"{', '.join(how.names)}: give more classes a category in --class-map"
        )
    return folder.take(rows), dict(Counter(names[0] for names in strange if names))


def score(
    answers: Sequence[str],
    shapes: Sequence[str],
    textures: Sequence[str],
    images: tuple[str, ...],
    details: dict[str, Any],
    *,
    mapping: str,
    seed: int,
) -> EvalResult:
    """Count decisions for either cue as results, overall and per shape category.

    Intervals are over the photographs that the ``images`` are made of, by their names, where images share some.
    """
    by_shape = np.array([a == s for a, s in zip(answers, shapes, strict=True)], dtype=np.float64)
    by_texture = np.array([a == t for a, t in zip(answers, textures, strict=True)], dtype=np.float64)
    pairs = np.stack([by_shape, by_shape + by_texture], axis=1)
    shape, texture, n = int(by_shape.sum()), int(by_texture.sum()), len(answers)
    neither = n - shape - texture
    crossed = Crossed.of(photographs(images))
    category = np.array(shapes)
    per_category = {}
    for name in sorted(set(shapes)):
        rows = np.flatnonzero(category == name)
        s, t = int(by_shape[rows].sum()), int(by_texture[rows].sum())
        within = crossed and Crossed.of(photographs(images[row] for row in rows))
        per_category[name] = {
            "shape": s,
            "texture": t,
            "n": len(rows),
            "shape_bias": shape_bias(s, t),
            "ci95": ratio_interval(pairs[rows], within, seed=seed),
        }

    def share(decisions: np.ndarray) -> Interval | None:
        count = int(decisions.sum())
        return crossed.interval(np.stack([decisions, np.ones(n)], axis=1)) if crossed else wilson(count, n)

    sampled = "photographs" if crossed else "images"
    details = {
        "conflict_images": n,
        "shape": shape,
        "texture": texture,
        "decided_fraction": (shape + texture) / n,
        "interval": f"over {sampled}",
        "effective_decisions": crossed.effective(pairs) if crossed else shape + texture,
        "per_category": per_category,
        **details,
    }
    condition = {"mapping": mapping}
    results = [
        Result(
            "shape-bias",
            "shape_bias",
            shape_bias(shape, texture),
            shape + texture,
            ratio_interval(pairs, crossed, seed=seed),
            condition,
            details,
        ),
        Result("shape-bias", "shape_decisions", shape / n, n, share(by_shape), condition),
        Result("shape-bias", "texture_decisions", texture / n, n, share(by_texture), condition),
        Result("shape-bias", "neither_decisions", neither / n, n, share(1 - by_shape - by_texture), condition),
    ]
    return EvalResult(results, images, {results[0].key: pairs})


def _mean_of(shares: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> float:
    columns = [list(names).index(name) for name in wanted]
    return float(shares[np.arange(len(shares)), columns].mean())


def shares_of(scores: np.ndarray) -> np.ndarray:
    """Each answer's share of the scores of all answers to an image: rows (N, answers) divided by their sums."""
    return scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)


def write_decisions(
    path: Path,
    folder: Path,
    images: Sequence[str],
    shapes: Sequence[str],
    textures: Sequence[str],
    names: Sequence[str],
    scores: np.ndarray,
) -> None:
    """Write ``{"folder": ..., "images": [{"image", "shape", "texture", "decision", "p_decision", ...}]}``.

    Args:
        path: the file.
        folder: of the images.
        images: their paths relative to ``folder``.
        shapes: the category of each image's shape.
        textures: and of its texture.
        names: what the model could answer.
        scores: (N, len(names)), not negative; the decision is the largest. ``p_...`` are
            shares of the row's sum, rounded to 4 digits.
    """
    shares = shares_of(scores)
    column = {name: number for number, name in enumerate(names)}
    rows = [
        {
            "image": image,
            "shape": shape,
            "texture": texture,
            "decision": names[best],
            "p_decision": round(float(share[best]), 4),
            "p_shape": round(float(share[column[shape]]), 4),
            "p_texture": round(float(share[column[texture]]), 4),
        }
        for image, shape, texture, share, best in zip(
            images, shapes, textures, shares, scores.argmax(axis=1), strict=True
        )
    ]
    content = {"folder": str(folder.absolute()), "images": rows}
    write_text(path, json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")
