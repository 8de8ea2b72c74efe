"""Image files: written whole, and known to be whole by their end."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

from shapebias.files import write_bytes

_ENDS = {".png": b"IEND\xaeB`\x82", ".jpeg": b"\xff\xd9", ".jpg": b"\xff\xd9"}  # the last bytes of a whole file


def save_image(path: Path, image: Image.Image, kind: str = "png", **options: Any) -> None:
    """Write an image in the format ``kind``, whole or not at all.

    It is encoded in memory: Pillow's JPEG writer takes a short write to a full disk for a whole one.

    Args:
        path: the file.
        image: the image.
        kind: of Pillow's formats.
        options: of ``Image.save``.
    """
    encoded = io.BytesIO()
    image.save(encoded, format=kind, **options)
    write_bytes(path, encoded.getvalue(), durable=False)


def is_there(path: Path) -> bool:
    """Return whether a file was made whole: a PNG or JPEG ends as its format does, any other has at least a byte."""
    end = _ENDS.get(path.suffix.lower(), b"")
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(end)))
            return size > 0 and file.read() == end if end else size > 0
    except OSError:
        return False
