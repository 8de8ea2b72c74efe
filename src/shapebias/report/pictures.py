"""Pictures inside the page: decoded and encoded again, never copied byte by byte, never from outside a folder."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

LARGEST = 320
_ATTRIBUTION_CHARACTERS = 20_000


@dataclass(frozen=True)
class Picture:
    """A picture ready to be embedded."""

    uri: str
    width: int
    height: int


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder that can be reached, whatever is wrong with it otherwise."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def inside(folder: Path, *parts: str) -> Path | None:
    """The file of that name in ``folder``, None if there is none or the path leads out of the folder."""
    try:
        root = folder.resolve()
        path = root.joinpath(*parts).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def embed(path: Path) -> Picture | None:
    """The picture as a data URI, the smaller of PNG and JPEG; None if it cannot be decoded."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    encoded = [
        ("png", _bytes(image, "PNG", optimize=True)),
        ("jpeg", _bytes(image, "JPEG", quality=90, subsampling=0)),
    ]
    kind, data = min(encoded, key=lambda pair: len(pair[1]))
    return Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}", image.width, image.height)


def attribution(folder: Path) -> str | None:
    """The text of ``ATTRIBUTION.txt`` beside the pictures, if there is one."""
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
