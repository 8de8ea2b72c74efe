"""Settings of the folders and pictures made with a stylizer; the options of their commands are made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shapebias.errors import UserError, check_at_least, check_between

SMALLEST = 16  # pixels per side of an image to stylize
LARGEST_SHEET = 100_000_000  # pixels


@dataclass(frozen=True)
class StylizeSettings:
    """Settings of stylized copies, images and styles aside.

    Args:
        per_image: different styles per image.
        alpha: strength of the style, 0 to 1.
        size: reduce the shorter side to this many pixels; 0 keeps the images' own size.
        crop: cut each image to its central square first.
        same_styles: give every image the same styles (a texture grid).
        preserve_color: keep the colors of the images and take the brightness alone from the stylized.
        format: file format of the copies.
        quality: quality of jpeg and webp, 1 to 100.
        seed: random seed of the choice of styles.
    """

    per_image: int = 2
    alpha: float = 1.0
    size: int = 256
    crop: bool = False
    same_styles: bool = False
    preserve_color: bool = False
    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int = 95
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.alpha, self.size or SMALLEST, self.seed, per_image=self.per_image)
        check_between(1, 100, quality=self.quality)


@dataclass(frozen=True)
class GridSettings:
    """Settings of a folder of images in the same few textures.

    Args:
        count: number of textures, the first by name.
        alpha: strength of the texture, 0 to 1.
        size: reduce the shorter side to this many pixels.
        seed: random seed of the image drawn from each texture's folder.
    """

    count: int = 5
    alpha: float = 1.0
    size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(2, count=self.count)
        _check(self.alpha, self.size, self.seed)

    def stylize(self) -> StylizeSettings:
        """Return the settings of its copies, a texture each."""
        return StylizeSettings(self.count, self.alpha, self.size, same_styles=True, seed=self.seed)


@dataclass(frozen=True)
class CueConflictSettings:
    """Settings of a cue-conflict set; the defaults give the pairs of the published one.

    Args:
        alpha: strength of the texture, 0 to 1.
        per_pair: images per ordered pair of categories.
        same: make the pairs of a category with itself too.
        size: pixels per side at most; smaller images keep their size.
        seed: random seed of the choice of images.
    """

    alpha: float = 0.5
    per_pair: int = 5
    same: bool = True
    size: int = 224
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.alpha, self.size, self.seed, per_pair=self.per_pair)


@dataclass(frozen=True)
class SheetSettings:
    """Settings of a contact sheet of stylizations.

    Args:
        rows: number of images.
        columns: number of styles.
        size: pixels per side of each picture.
        alpha: strength of the style, 0 to 1.
        seed: random seed of the choice of images and styles.
    """

    rows: int = 6
    columns: int = 8
    size: int = 128
    alpha: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.alpha, self.size, self.seed, rows=self.rows, columns=self.columns)
        if self.rows * self.columns * self.size**2 > LARGEST_SHEET:
            raise UserError(
                f"a sheet of --rows {self.rows}, --columns {self.columns} and --size {self.size} has more than "
                f"{LARGEST_SHEET // 10**6} megapixels: lower one of them"
            )


def _check(alpha: float, size: int, seed: int, **counts: int) -> None:
    check_between(0, 1, alpha=alpha)
    check_at_least(1, **counts)
    check_at_least(SMALLEST, size=size)
    check_at_least(0, seed=seed)
