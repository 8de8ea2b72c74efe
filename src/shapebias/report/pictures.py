"""Pictures inside the page: decoded and encoded again, never copied byte by byte, never from outside a folder."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.readers.cue_conflict import parse_name

LARGEST = 320
TILE, GAP = 56, 4  # pixels of a strip's details, and between them
FEW_COLOURS = 64  # silhouettes of shapes16 have 17 and are smaller as PNG, its other images hundreds
_ATTRIBUTION_CHARACTERS = 20_000


@dataclass(frozen=True)
class Picture:
    """A picture ready to be embedded."""

    uri: str
    width: int
    height: int


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder that can be reached."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def inside(folder: Path, *parts: str) -> Path | None:
    """Return the file of that name in ``folder``, None if there is none or the path leads out of the folder."""
    try:
        root = folder.resolve()
        path = root.joinpath(*parts).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def conflict_picture(folder: Path, file: str, shape: str, texture: str) -> Path | None:
    """Return a cue-conflict picture, ``.../SHAPE/shapeN-textureM.png`` of these two cues; None for any other file.

    The name is asked of what a link leads to, so that records from elsewhere show no other picture of this machine.
    """
    path = inside(folder, file)
    named = path is not None and path.parent.name == shape and parse_name(path.stem) == (shape, texture)
    return path if named else None


def stylized_copy(folder: Path, file: str) -> Path | None:
    """A picture as ``shapebias stylize`` writes it, ``*-styleN.png`` below its manifest; None for any other file."""
    path = inside(folder, file)
    if path is None or not re.search(r"-style\d+\.png$", path.name):
        return None
    root = folder.resolve()
    homes = [home for home in path.parents if home.is_relative_to(root)]
    return path if any(inside(home, "stylize.json") for home in homes) else None


def embed(path: Path, *, largest: int = LARGEST, quality: int = 90) -> Picture | None:
    """Return the picture as a data URI; None if it cannot be decoded."""
    image = _decoded(path)
    return None if image is None else embed_image(image, largest=largest, quality=quality)


def embed_png(folder: Path, file: Any, *, largest: int = LARGEST) -> Picture | None:
    """Return the PNG of that name in ``folder`` as a data URI; None for any other file, and if it cannot be decoded."""
    path = png_inside(folder, file)
    return embed(path, largest=largest, quality=85) if path else None


def png_inside(folder: Path, file: Any) -> Path | None:
    """Return the PNG of that name in ``folder``, None for anything else."""
    path = inside(folder, file) if isinstance(file, str) and file else None
    return path if path is not None and path.suffix == ".png" else None


def embed_image(image: Image.Image, *, largest: int = LARGEST, quality: int = 90, labels: bool = False) -> Picture:
    """Return a decoded picture as a data URI; the colours of ``labels`` stay exact, unmixed at the borders."""
    shown = image.copy()
    shown.thumbnail((largest, largest), Image.Resampling.NEAREST if labels else Image.Resampling.LANCZOS)
    return _encoded(shown, None if labels else quality)


def side_by_side(path: Path, count: int, *, gap: int) -> list[Image.Image] | None:
    """Return the ``count`` parts of one width in a picture, ``gap`` pixels apart; None if it cannot be so divided."""
    image = _decoded(path)
    if image is None:
        return None
    width, rest = divmod(image.width - gap * (count - 1), count)
    if rest or width < 1:
        return None
    return [image.crop((left, 0, left + width, image.height)) for left in range(0, image.width, width + gap)]


def strip(details: Sequence[tuple[Path, tuple[float, float] | None]]) -> tuple[Picture | None, int]:
    """Details of pictures side by side as one, and how many; those that cannot be decoded are skipped.

    A detail is a third of its picture around a place in fractions of width and height, or all of it.
    """
    tiles = [detail(image, place) for path, place in details if (image := _decoded(path)) is not None]
    if not tiles:
        return None, 0
    sheet = Image.new("RGB", ((TILE + GAP) * len(tiles) - GAP, TILE), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, ((TILE + GAP) * number, 0))
    return _encoded(sheet, 80), len(tiles)


def detail(image: Image.Image, place: tuple[float, float] | None) -> Image.Image:
    """The square of a third of the shorter side around ``place``, kept inside; without one, the central square."""
    side = min(image.size) / (1 if place is None else 3)
    x, y = (0.5, 0.5) if place is None else place
    left = min(max(x * image.width - side / 2, 0), image.width - side)
    top = min(max(y * image.height - side / 2, 0), image.height - side)
    return image.resize((TILE, TILE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))


def _decoded(path: Path) -> Image.Image | None:
    try:
        return load_rgb(path)
    except UnreadableImage:
        return None


def _encoded(image: Image.Image, quality: int | None) -> Picture:
    """Return a picture of few colours as PNG, which is smaller then, any other as JPEG; without ``quality`` as PNG."""
    if quality is None or image.getcolors(FEW_COLOURS):
        kind, data = "png", _bytes(image, "PNG", optimize=True)
    else:
        kind, data = "jpeg", _bytes(image, "JPEG", quality=quality, subsampling=0)
    return Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}", image.width, image.height)


def attribution(folder: Path) -> str | None:
    """Return the text of ``ATTRIBUTION.txt`` beside the pictures, if there is one."""
    path = inside(folder, "ATTRIBUTION.txt")
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:_ATTRIBUTION_CHARACTERS] or None
    except OSError:
        return None


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
