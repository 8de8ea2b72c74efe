"""Decoding of any image file to upright 8-bit RGB."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from shapebias.data.grey import grey_levels
from shapebias.data.png_pixels import pixel_chunks

# The formats that are decoded, whatever a file is called. Pillow knows others, some of which start other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_UPRIGHT = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
WITH_FRAMES = frozenset({".gif", ".webp", ".tif", ".tiff", ".avif"})  # suffixes of formats that may hold several images
T = TypeVar("T")


class UnreadableImage(Exception):
    """One file that does not decode; callers list and count it, or stop under ``strict``."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = Path(path), reason


def load_rgb(path: Path | str) -> Image.Image:
    """Decode one file to an upright RGB image with 8 bits a channel.

    Grey and palette images become RGB, transparency is laid on white, CMYK is converted, 16-bit and
    floating-point images are scaled to 8 bits, and the EXIF orientation is applied. Other metadata is
    ignored, so that an image is read even if its metadata is broken.

    Raises:
        UnreadableImage: the file is empty, truncated, too large, not an image, or no file.
    """

    def decode(image: Image.Image) -> Image.Image:
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        return to_rgb(image) if turn is None else to_rgb(image).transpose(turn)

    return _read(Path(path), decode)


def image_size(path: Path | str) -> tuple[int, int]:
    """(width, height) of the upright image in one file, from its header alone.

    Raises:
        UnreadableImage: the file is empty, too large, not an image, or no file.
    """

    def size(image: Image.Image) -> tuple[int, int]:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # newer Pillows have turned its size already
            width, height = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
        return (height, width) if _orientation(image) in {5, 6, 7, 8} else (width, height)

    return _read(Path(path), size)


def has_frames(path: Path | str) -> bool:
    """Return whether a readable image file holds several frames or pages; only the first is ever decoded."""
    try:
        return _read(Path(path), lambda image: bool(getattr(image, "is_animated", False)))
    except UnreadableImage:
        return False


def _read(path: Path, use: Callable[[Image.Image], T]) -> T:
    """Return ``use`` of the opened image; of a PNG that fails, once more without its metadata."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
            raise UnreadableImage(path, "a directory" if path.is_dir() else "not a file of data")
        if found.st_size == 0:
            raise UnreadableImage(path, "empty file")
        # large images, odd palettes and broken EXIF would warn
        with warnings.catch_warnings(action="ignore"):
            try:
                with Image.open(path, formats=formats()) as image:
                    return use(image)
            except Exception:
                pixels = pixel_chunks(path)
                if pixels is None:
                    raise
                with Image.open(io.BytesIO(pixels), formats=["PNG"]) as image:
                    return use(image)
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "not an image") from error
    except Image.DecompressionBombError as error:
        most = round(2e-6 * (Image.MAX_IMAGE_PIXELS or 0))  # above this Pillow raises
        raise UnreadableImage(path, f"more than {most} megapixels: reduce the image or cut it up") from error
    except Exception as error:  # a damaged file can raise nearly anything in its decoder
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UnreadableImage(path, reason or type(error).__name__) from error


@cache
def formats() -> tuple[str, ...]:
    """The names of the formats that are decoded, of those that this Pillow has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) if there is none or it cannot be read."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF can raise nearly anything
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB (transparency on white, deep greys scaled to 8 bits)."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(grey_levels(image)).convert("RGB")
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "La", "RGBa"}:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
