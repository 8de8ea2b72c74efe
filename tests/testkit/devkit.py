"""A small Pascal VOC 2012 of noise, written by hand, for what trains and measures on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shapebias.data.readers.voc import VOC_CLASSES
from testkit.images import noise_image

OBJECT = "<object><name>{}</name><difficult>{}</difficult></object>"
CLASSES = ("bird", "cat", "dog", "person")


def write_devkit(root: Path, *, train: int = 8, val: int = 6, size: tuple[int, int] = (40, 36)) -> Path:
    """``root``/VOCdevkit/VOC2012 with one or two classes per image, every fifth object difficult; returns ``root``."""
    folder = root / "VOCdevkit" / "VOC2012"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets/Main").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count, first in (("train", train, 0), ("val", val, 100)):
        names = [f"2012_{first + number:06}" for number in range(count)]
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            noise_image(folder / "JPEGImages" / f"{name}.jpg", first + number, size=size)
            shown = [CLASSES[number % len(CLASSES)], *rng.choice(CLASSES, 1)]
            objects = "".join(OBJECT.format(c, int(k and number % 5 == 0)) for k, c in enumerate(shown))
            (folder / f"Annotations/{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    assert set(CLASSES) < set(VOC_CLASSES)
    return root
