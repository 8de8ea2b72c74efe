"""Small pictures and folders of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shapebias.data.encode import save_image
from shapebias.stylize import batches


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


def killed_at_image(number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kill at the ``number``-th image of a stylization, and at those after it; the list grows by one an image."""
    written: list[int] = []

    def killed(*arguments: Any, **options: Any) -> None:
        written.append(1)
        if len(written) >= number:
            raise KeyboardInterrupt
        save_image(*arguments, **options)

    monkeypatch.setattr(batches, "save_image", killed)
    return written


def nearly_same(one: Path, other: Path) -> bool:
    """Compare pictures that a network made in different batches: processors round a few pixels otherwise."""
    with Image.open(one) as first, Image.open(other) as second:
        a, b = np.asarray(first, dtype=int), np.asarray(second, dtype=int)
    return a.shape == b.shape and (abs(a - b) <= 1).mean() > 0.999 and abs(a - b).max() <= 4
