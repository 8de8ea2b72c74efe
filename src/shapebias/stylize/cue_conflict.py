"""Make a cue-conflict set from any folder of categories: the shape of one image in the texture of another."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.materialize import Skip, check_outside, materialize, save_png
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders
from shapebias.errors import UserError, check_at_least
from shapebias.files import write_text
from shapebias.models.imagenet import category_words
from shapebias.stylize.bank import load_square
from shapebias.stylize.conflict_pairs import Conflict, Sides, check_categories, choose
from shapebias.stylize.settings import CueConflictSettings
from shapebias.stylize.stylizer import Stylizer

MANIFEST = "cue-conflict.json"
TABLE = "cue-conflict.csv"


def make_cue_conflict(
    source: Path,
    out: Path,
    stylizer: Stylizer,
    stylizer_sha256: str,
    settings: CueConflictSettings,
    *,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    strict: bool = False,
) -> tuple[int, list[str]]:
    """Write ``settings.per_pair`` images for every ordered pair of the categories below ``source`` to ``out``.

    Where ``source`` is divided, as into ``train/`` and ``val/``, the held-out part is taken: ``source`` in the
    manifest is the folder taken.
    They are called ``SHAPE/shapeN-textureM.png``, where categories are lowercase letters (``category_word``); N and M
    count the images of their categories from 1, in the order of their paths. Which images a pair gets depends on the
    seed and the pair alone. Each image is cut to its central square, at most ``settings.size`` pixels wide. Files that
    are already there are kept, so that a killed run resumes.

    Returns:
        The number of images in the set, and the unreadable ones whose place others took, one "path: reason" each.

    Raises:
        UserError: categories that cannot be named so, too few images, a folder of other work, or, if
            ``strict``, an unreadable image.
    """
    source, out = Path(source), Path(out)
    check_at_least(1, batch_size=batch_size)
    folder = evaluation_images(source) or read_class_folders(source)
    folder = replace(folder, classes=category_words(folder.classes))
    check_categories(folder, settings)
    check_outside(out, folder.root)
    identity: dict[str, Any] = {
        "schema": "shapebias/cue-conflict/1",
        "source": str(folder.root.resolve()),
        "images_fingerprint": folder.fingerprint,
        "categories": list(folder.classes),
        "alpha": settings.alpha,
        "per_pair": settings.per_pair,
        "same": settings.same,
        "size": settings.size,
        "seed": settings.seed,
        "stylizer_sha256": stylizer_sha256,
    }
    sides = Sides(settings.size, strict)
    conflicts = choose(folder, settings, sides)

    @torch.inference_mode()
    def make(missing: list[Conflict], _skip: Skip) -> Iterator[int]:
        stylizer.to(device)
        codes = _codes(stylizer, {c.texture: sides[c.texture] for c in missing}, batch_size, device)
        for size, batch in _batches(missing, sides, batch_size):
            shapes = list(dict.fromkeys(conflict.shape for conflict in batch))
            features, own = stylizer.encode_content(_squares(shapes, size).to(device))
            rows = [shapes.index(conflict.shape) for conflict in batch]
            textures = torch.stack([codes[conflict.texture] for conflict in batch]).to(device)
            mixed = own[rows] + settings.alpha * (textures - own[rows])
            for start in range(0, len(batch), batch_size):
                part = slice(start, start + batch_size)
                images = stylizer.decode(features[rows[part]], mixed[part], (size, size)).cpu()
                for conflict, image in zip(batch[part], images, strict=True):
                    save_png(out / conflict.file, image)
            yield len(batch)

    unreadable = materialize(
        out,
        identity,
        conflicts,
        lambda conflict: [out / conflict.file],
        make,
        marker=MANIFEST,
        what="cue-conflict set",
        title="cue-conflict",
        unreadable=sides.unreadable,
        finish=lambda: _write_table(out, folder.root, conflicts),
    )
    return len(conflicts), unreadable


def _codes(
    stylizer: Stylizer, textures: dict[Path, int], batch_size: int, device: torch.device | str
) -> dict[Path, Tensor]:
    """The style code of every texture image, each encoded once."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path, size in textures.items():
        by_size[size].append(path)
    codes: dict[Path, Tensor] = {}
    for size, paths in by_size.items():
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            encoded = stylizer.encode_style(_squares(batch, size).to(device)).float().cpu()
            codes.update(zip(batch, encoded, strict=True))
    return codes


def _batches(missing: Sequence[Conflict], sides: Sides, batch_size: int) -> Iterator[tuple[int, list[Conflict]]]:
    """Whole contents of one size together, until ``batch_size`` images are to come of them."""
    contents: dict[Path, list[Conflict]] = defaultdict(list)
    for conflict in missing:
        contents[conflict.shape].append(conflict)
    waiting: dict[int, list[Conflict]] = defaultdict(list)
    for path, conflicts in contents.items():
        group = waiting[sides[path]]
        group.extend(conflicts)
        if len(group) >= batch_size:
            yield sides[path], waiting.pop(sides[path])
    yield from waiting.items()


def _squares(paths: Sequence[Path], size: int) -> Tensor:
    try:
        return torch.stack([load_square(path, size) for path in paths])
    except UnreadableImage as error:
        raise UserError(f"{error} (it could be read before): run the same command again") from error


def _write_table(out: Path, source: Path, conflicts: Sequence[Conflict]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "shape_image", "texture_image"])
    for conflict in conflicts:
        shape, texture = (path.relative_to(source).as_posix() for path in (conflict.shape, conflict.texture))
        writer.writerow([conflict.file, shape, texture])
    write_text(out / TABLE, text.getvalue())
