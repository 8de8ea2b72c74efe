"""A contact sheet of stylizations, to judge a stylizer by eye."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.encode import save_image
from shapebias.data.folders import list_images
from shapebias.data.transforms import to_image
from shapebias.errors import UserError
from shapebias.files import check_replaceable
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.bank import load_square, load_styles
from shapebias.stylize.folder import COPIES
from shapebias.stylize.load import check_styles, load_stylizer
from shapebias.stylize.settings import SheetSettings

MARK = b"Software\0shapebias"  # in a sheet's PNG


def contact_sheet(
    images: Path,
    out: Path,
    settings: SheetSettings,
    *,
    styles: Path | None = None,
    stylizer: str | Path | None = None,
) -> None:
    """Write a sheet with an image per row, first as it is, then in ``settings.columns`` styles.

    Where ``styles`` is a folder of images, these stand above their columns. Images and styles are drawn
    with ``settings.seed``.
    """
    check_replaceable(out, MARK)
    check_styles(stylizer, styles)
    network, digest = load_stylizer(stylizer)
    rng = stream(Draw.SHEET, settings.seed)
    size, columns = settings.size, settings.columns
    content = _squares(_some(list_images(images), settings.rows, rng), size)
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
            torch.cat([image, *network.stylize(image[None].repeat(len(codes), 1, 1, 1), codes, settings.alpha)], dim=2)
            for image in content
        ]
    _save(out, torch.cat([*header, *lines], dim=1))


def sheet_of_copies(folder: Path, source: Path, out: Path, *, rows: int = 6, size: int = 128) -> None:
    """Write a sheet of ``rows`` images below ``source``, each beside its copies in the stylized ``folder``, to ``out``.

    Raises:
        UserError: a file that is not such a sheet stands in the way.
    """
    check_replaceable(out, MARK)
    records = [json.loads(line) for line in (folder / COPIES).read_text(encoding="utf-8").splitlines()]
    files: dict[str, list[Path]] = {}
    for record in records:
        files.setdefault(record["image"], []).append(folder / record["file"])
    names = list(files)
    chosen = [names[number * len(names) // min(rows, len(names))] for number in range(min(rows, len(names)))]
    lines = [torch.cat([*_squares([source / name, *files[name]], size)], dim=2) for name in chosen]
    _save(out, torch.cat(lines, dim=1))


def _save(out: Path, sheet: Tensor) -> None:
    told = PngInfo()
    told.add_text("Software", "shapebias")
    save_image(out, to_image(sheet), pnginfo=told)


def _some(paths: list[Path], count: int, rng: np.random.Generator) -> list[Path]:
    chosen = np.sort(rng.permutation(len(paths))[:count])
    return [paths[i] for i in chosen]


def _squares(paths: list[Path], size: int) -> Tensor:
    try:
        return torch.stack([load_square(path, size) for path in paths])
    except UnreadableImage as error:
        raise UserError(f"unreadable image {error}: remove it, or choose others with --seed") from error
