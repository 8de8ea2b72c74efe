"""Draw the README's pictures: python docs/pictures/make.py. They show shapes16, our own drawings, only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shapebias.data.shapes16 import render_image
from shapebias.data.transforms import to_image, to_tensor
from shapebias.stylize import load_styles, load_stylizer

HERE = Path(__file__).parent
SHAPES = ("elephant", "cat", "bird", "car", "chair")
TEXTURES = ("elephant", "cat", "bird", "car", "chair", "keyboard", "bottle", "truck")
GAP = 6


def cue_conflict(size: int = 112) -> Image.Image:
    """The same drawing in the textures of eight categories, a row per category."""
    rows = [
        [render_image(shape, texture, size, np.random.default_rng((7, number))) for texture in TEXTURES]
        for number, shape in enumerate(SHAPES)
    ]
    return grid(rows)


def views(size: int = 128) -> Image.Image:
    """Training images and their two stylized views."""
    stylizer, digest = load_stylizer()
    bank = load_styles(None, stylizer, digest).split("train")
    rows = []
    for number, names in enumerate([("bear", "bicycle", "clock"), ("elephant", "airplane", "truck")]):
        row = []
        for place, name in enumerate(names):
            rng = np.random.default_rng((11, number, place))
            content = to_tensor(render_image(name, name, size, rng))
            codes = bank.codes[rng.choice(len(bank), 2, replace=False)]
            with torch.inference_mode():
                stylized = stylizer.stylize(content[None], codes)
            row += [to_image(content), *map(to_image, stylized)]
        rows.append(row)
    return grid(rows, every=3)


def grid(rows: list[list[Image.Image]], every: int = 0) -> Image.Image:
    """Pictures in rows on white, with a wider gap after ``every`` pictures."""
    size = rows[0][0].width
    wide = [GAP * (1 + 2 * bool(every and c and c % every == 0)) if c else 0 for c in range(len(rows[0]))]
    lefts = [sum(wide[: c + 1]) + c * size for c in range(len(rows[0]))]
    sheet = Image.new("RGB", (lefts[-1] + size, len(rows) * (size + GAP) - GAP), "white")
    for r, row in enumerate(rows):
        for left, picture in zip(lefts, row, strict=True):
            sheet.paste(picture, (left, r * (size + GAP)))
    return sheet


if __name__ == "__main__":
    cue_conflict().save(HERE / "cue-conflict.png", optimize=True)
    views().save(HERE / "views.png", optimize=True)
