"""A contact sheet of stylizations, to judge a stylizer by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.image_set import list_images
from shapebias.data.transforms import to_image
from shapebias.errors import UserError, check_at_least, check_between
from shapebias.files import atomic
from shapebias.stylize.bank import load_square, load_styles
from shapebias.stylize.load import check_styles, load_stylizer


def contact_sheet(
    images: Path,
    out: Path,
    *,
    styles: Path | None = None,
    stylizer: str | Path | None = None,
    rows: int = 6,
    columns: int = 8,
    size: int = 128,
    alpha: float = 1.0,
    seed: int = 0,
) -> None:
    """Write a sheet with an image per row, first as it is, then in ``columns`` styles.

    Where ``styles`` is a folder of images, these stand above their columns. Images and styles are drawn
    with ``seed``.
    """
    check_between(0, 1, alpha=alpha)
    check_at_least(1, rows=rows, columns=columns)
    check_at_least(16, size=size)
    check_at_least(0, seed=seed)
    check_styles(stylizer, styles)
    network, digest = load_stylizer(stylizer)
    rng = np.random.default_rng(seed)
    content = _squares(_some(list_images(images), rows, rng), size)
    if styles is not None and styles.is_dir():
        pictures = _squares(_some(list_images(styles), columns, rng), size)
        with torch.inference_mode():
            codes = network.encode_style(pictures)
        header = [torch.cat([torch.ones(3, size, size), *pictures], dim=2)]
    else:
        bank = load_styles(styles, network, digest)
        codes = bank.codes[np.sort(rng.permutation(len(bank))[:columns])]
        header = []
    with torch.inference_mode():
        lines = [
            torch.cat([image, *network.stylize(image[None].repeat(len(codes), 1, 1, 1), codes, alpha)], dim=2)
            for image in content
        ]
    with atomic(out) as temporary:
        to_image(torch.cat([*header, *lines], dim=1)).save(temporary, format="png")


def _some(paths: list[Path], count: int, rng: np.random.Generator) -> list[Path]:
    chosen = np.sort(rng.permutation(len(paths))[:count])
    return [paths[i] for i in chosen]


def _squares(paths: list[Path], size: int) -> Tensor:
    try:
        return torch.stack([load_square(path, size) for path in paths])
    except UnreadableImage as error:
        raise UserError(f"unreadable image {error}: remove it, or choose others with --seed") from error
