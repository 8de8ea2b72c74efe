"""The images of a cue-conflict set, drawn for each pair of categories independently of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.settings import SMALLEST, CueConflictSettings


@dataclass(frozen=True)
class Conflict:
    """One image to make: its place in the set, and the images its shape and its texture come from."""

    file: str
    shape: Path
    texture: Path


def check_categories(folder: ImageSet, settings: CueConflictSettings) -> None:
    """Refuse categories that the published naming cannot hold or that have too few images for a pair.

    Raises:
        UserError: with the first such category.
    """
    for name in folder.classes:
        if not re.fullmatch("[a-z]+", name):
            raise UserError(
                f"the category {name!r} in {folder.root} has no name of its own in the letters a to z, of which names "
                "such as cat1-elephant2.png are made: rename the folder"
            )
    needed = max(settings.per_pair, 2 if settings.same else 1)
    for label, name in enumerate(folder.classes):
        found = int((folder.targets == label).sum())
        if found < needed:
            raise UserError(
                f"the category {name} in {folder.root} has {found} image{'s' * (found != 1)}, but each pair takes "
                f"{needed} different ones: add some, or lower --per-pair" + (" or give --no-same" if found == 1 else "")
            )


class Sides(dict[Path, int]):
    """The width in pixels of each image's square, looked up by decoding it; 0 where that fails."""

    def __init__(self, size: int, strict: bool) -> None:
        super().__init__()
        self.size, self.strict = size, strict
        self.unreadable: list[str] = []

    def __missing__(self, path: Path) -> int:
        try:
            self[path] = max(SMALLEST, min(self.size, *load_rgb(path).size))
        except UnreadableImage as error:
            if self.strict:
                raise UserError(f"unreadable image {error} (remove it, or leave out --strict)") from error
            self.unreadable.append(str(error))
            self[path] = 0
        return self[path]


def choose(folder: ImageSet, settings: CueConflictSettings, sides: Sides) -> list[Conflict]:
    """Draw the images of a set: for each pair different images of either category, drawn from (seed, pair).

    An unreadable image's place goes to the next of the pair's draw; the other places stay as they are. In
    a pair of a category with itself, each image lends its texture to the one before it.
    """
    images: dict[str, list[Path]] = {name: [] for name in folder.classes}
    for path, label in zip(folder.paths, folder.labels, strict=True):
        images[label].append(path)
    conflicts = []
    for shape in folder.classes:
        for texture in folder.classes:
            if shape == texture and not settings.same:
                continue
            rng = stream(Draw.CONFLICTS, settings.seed, f"{shape}-{texture}")
            count = max(settings.per_pair, 2) if shape == texture else settings.per_pair
            first = _readable(rng.permutation(len(images[shape])), count, images[shape], sides)
            if shape == texture:
                second = first[1:] + first[:1]
            else:
                second = _readable(rng.permutation(len(images[texture])), count, images[texture], sides)
            for n, m in list(zip(first, second, strict=True))[: settings.per_pair]:
                name = f"{shape}/{shape}{n + 1}-{texture}{m + 1}.png"
                conflicts.append(Conflict(name, images[shape][n], images[texture][m]))
    return conflicts


def _readable(order: np.ndarray, count: int, images: Sequence[Path], sides: Sides) -> list[int]:
    spare = iter(order[count:].tolist())
    chosen = []
    for number in order[:count].tolist():
        while not sides[images[number]]:
            number = next(spare, None)
            if number is None:
                raise UserError(
                    f"too few images can be read in {images[0].parent}, for example not {sides.unreadable[-1]}: "
                    "mend or add some, or lower --per-pair"
                )
        chosen.append(number)
    return chosen
