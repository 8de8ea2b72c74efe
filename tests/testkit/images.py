"""Small pictures and folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise_image(path: Path, seed: int, size: tuple[int, int] = (40, 32)) -> Path:
    """An RGB picture of noise, ``size`` (width, height), in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def class_folder(root: Path, classes: tuple[str, ...] = ("bear", "cat"), per_class: int = 2) -> Path:
    """A folder of classes of noise pictures."""
    for c, name in enumerate(classes):
        for i in range(per_class):
            noise_image(root / name / f"{i}.png", seed=100 * c + i)
    return root
