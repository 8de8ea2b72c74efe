"""What a network decided on each cue-conflict image, for pages that show the pictures: ``OUT/NAME/decisions.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shapebias.files import write_text


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
        names: what the network could answer.
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
    content = {"folder": str(folder), "images": rows}
    write_text(path, json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")
