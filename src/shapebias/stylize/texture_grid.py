"""Any folder of images in the same K textures, on which dimensionality is measured.

The paper's is VOC 2012 in five textures of DTD (cracked, marbled, pleated, potholed, woven): that folder as
``source`` and DTD's five folders as ``textures`` give it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from shapebias.data.decode import UnreadableImage
from shapebias.data.folders import list_images
from shapebias.data.readers.splits import check_undivided
from shapebias.errors import UserError, check_at_least
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.bank import STYLE_SIZE, StyleBank, encode_squares, load_square
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import GridSettings
from shapebias.stylize.stylizer import Stylizer


def choose_textures(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """One image for each of ``count`` textures.

    Where ``folder`` has folders of images, one texture each: the first ``count`` of them by name, of each an image
    drawn by (seed, the folder's name). Otherwise its first ``count`` images by name.

    Raises:
        UserError: splits of a data set instead of textures, fewer textures than ``count``, or ``count`` below two.
    """
    check_at_least(2, count=count)
    check_undivided(folder)
    images = list_images(folder)
    groups: dict[str, list[Path]] = {}
    for image in images:
        parts = image.relative_to(folder).parts
        if len(parts) > 1:
            groups.setdefault(parts[0], []).append(image)
    if not groups:
        chosen, what = images[:count], "images"
    else:
        chosen, what = [_drawn(name, group, seed) for name, group in list(groups.items())[:count]], "folders of images"
    if len(chosen) < count:
        raise UserError(
            f"{folder} has {len(chosen)} {what}, {count} textures were asked for: lower --count or add some"
        )
    return chosen


def texture_bank(paths: list[Path], folder: Path, stylizer: Stylizer, stylizer_sha256: str) -> StyleBank:
    """The codes of the textures ``paths`` below ``folder``, each cut to its central square.

    Raises:
        UserError: a texture that cannot be read.
    """
    try:
        codes = encode_squares(stylizer, torch.stack([load_square(path, STYLE_SIZE) for path in paths]))
    except UnreadableImage as error:
        raise UserError(f"unreadable texture {error}: remove it, or choose others by --seed") from error
    names = tuple(path.relative_to(folder).with_suffix("").as_posix() for path in paths)
    return StyleBank(codes, names, stylizer_sha256)


def texture_grid(
    source: Path,
    out: Path,
    textures: Path,
    stylizer: Stylizer,
    stylizer_sha256: str,
    settings: GridSettings,
    *,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    strict: bool = False,
) -> tuple[StyleBank, list[str]]:
    """Write every image below ``source`` in ``settings.count`` textures to ``out``; a killed run resumes.

    ``source`` may hold class folders, or images alone. The rest is as for ``stylize_folder``.

    Returns:
        The textures, and the unreadable images, one "path: reason" each.

    Raises:
        UserError: too few textures, unreadable ones, or what ``stylize_folder`` refuses.
    """
    chosen = choose_textures(textures, settings.count, seed=settings.seed)
    bank = texture_bank(chosen, textures, stylizer.to(device), stylizer_sha256)
    how = {"batch_size": batch_size, "device": device, "strict": strict, "over_ranks": True}
    unreadable = stylize_folder(source, out, stylizer, bank, settings.stylize(), **how)
    return bank, unreadable


def _drawn(name: str, images: list[Path], seed: int) -> Path:
    return images[int(stream(Draw.TEXTURES, seed, name).integers(len(images)))]
