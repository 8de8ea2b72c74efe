"""The pixels of a PNG without its metadata, for files whose metadata is broken or larger than decoders accept."""

from __future__ import annotations

import zlib
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # needed to decode a still image
_ORIENTATION = b"eXIf"


def pixel_chunks(path: Path) -> bytes | None:
    """Return the file with only the chunks that decide what its pixels look like; None if it is not a PNG.

    The EXIF chunk, which has the orientation, is kept if its checksum is right. A chunk that is cut short ends the
    file, so that truncated images stay so.
    """
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            return None
        data = file.read()
    kept, start = [_SIGNATURE], 0
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        name, chunk = data[start + 4 : start + 8], data[start:end]
        if name in _PIXELS or (name == _ORIENTATION and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")):
            kept.append(chunk)
        start = end
    return b"".join(kept)
