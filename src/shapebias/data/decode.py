"""Decoding of any image file to upright 8-bit RGB."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"})

ORIENTATION = ExifTags.Base.Orientation


class UnreadableImage(Exception):
    """One file that does not decode; callers list and count it, or stop under ``strict``."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = Path(path), reason


def load_rgb(path: Path | str) -> Image.Image:
    """Decode one file to an upright RGB image with 8 bits a channel.

    Grey and palette images become RGB, transparency is laid on white, CMYK is converted, 16-bit and
    floating-point images are scaled to 8 bits, and the EXIF orientation is applied.

    Raises:
        UnreadableImage: the file is empty, truncated or not an image.
    """
    try:
        if Path(path).stat().st_size == 0:
            raise UnreadableImage(path, "empty file")
        # large images, odd palettes and broken EXIF would warn
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "not an image") from error
    except Exception as error:  # a damaged file can raise nearly anything in its decoder
        raise UnreadableImage(path, " ".join(str(error).split()) or type(error).__name__) from error


def image_size(path: Path | str) -> tuple[int, int]:
    """(width, height) of the upright image in one file, from its header alone.

    Raises:
        UnreadableImage: the file is empty or not an image.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            width, height = image.size
            if isinstance(image, TiffImageFile):  # newer Pillows have turned its size already
                width, height = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
            turned = image.getexif().get(ORIENTATION, 1) in {5, 6, 7, 8}
            return (height, width) if turned else (width, height)
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "not an image") from error
    except Exception as error:
        raise UnreadableImage(path, " ".join(str(error).split()) or type(error).__name__) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB (transparency on white, deep greys scaled to 8 bits)."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(image)).convert("RGB")
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "La", "RGBa"}:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> np.ndarray:
    """Grey levels of 16 or 32 bits, or floats, to 0..255.

    Whole numbers up to 65535 are taken as 16 bits, larger ones as 31; floats up to 1 as fractions.
    """
    grey = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = (1.0, 255.0) if image.mode == "F" else (65535.0, 2.0**31 - 1)
    top = low if grey.max() <= low else high
    return np.clip(np.rint(grey * (255.0 / top)), 0, 255).astype(np.uint8)
