"""The layout of the NeurIPS 2017 competition's images, with pictures of noise."""

from __future__ import annotations

import csv

from testkit.images import noise_image

COLUMNS = ("ImageId", "TrueLabel", "TargetClass", "Author", "OriginalLandingURL", "License")
ROWS = (
    ("aa", "1", "1000", "Ann", "https://a.example/1", "CC BY 2.0"),
    ("bb", "1000", "2", 'Bob "the,\n cat"', "https://b.example/2", "CC BY 2.0"),
    ("cc", "3", "4", "Ćira", "https://c.example/3", "CC BY 2.0"),
)


def competition(root, rows=ROWS, columns=COLUMNS, *, name="images.csv", images=("aa", "bb", "cc"), folder="images"):
    """A folder with a CSV of ``rows`` and a picture for each of ``images``."""
    for number, image in enumerate(images):
        noise_image(root / folder / f"{image}.png", number)
    root.mkdir(exist_ok=True)
    with (root / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return root
