"""Grey levels of more than 8 bits and floating-point grey, converted to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

BITS, PHOTOMETRIC, SAMPLE_FORMAT, LOWEST, HIGHEST = 258, 262, 339, 340, 341  # tags of TIFF 6.0
SIGNED = 2  # of SAMPLE_FORMAT
WHITE_IS_ZERO = 0  # of PHOTOMETRIC
# From black to white. Where a type has several, the first that the values are in is taken.
FLOATS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
SIGNED_16_BITS = ((0.0, 2.0**15 - 1), (-(2.0**15), 2.0**15 - 1))
WIDE = ((0.0, 255.0), (0.0, 65535.0), (0.0, 2.0**31 - 1), (0.0, 2.0**32 - 1), (-(2.0**31), 2.0**31 - 1))
OUTLIERS, OVERSHOOT = 1e-3, 0.1


def grey_levels(image: Image.Image) -> np.ndarray:
    """Convert the pixels of an image of mode I, I;16 or F to 8 bits: uint8 (height, width), 255 is white.

    The range from black to white is what a TIFF declares (SMinSampleValue, SMaxSampleValue), else that of the type:
    0 to 65535 of unsigned 16 bits. Of types with several usual ranges (``FLOATS``, ``SIGNED_16_BITS`` and ``WIDE``, of
    32 bits), it is the first that holds the image's values. One value in a thousand, at least one, may lie anywhere,
    and the others a tenth of their span outside, as resampling leaves them; these are clipped. NaN is taken as
    the lower end.

    Raises:
        ValueError: no range holds the values.
    """
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    ranges = _declared(tags) or _of_type(image.mode, tags)
    grey = np.asarray(image)
    if ranges is WIDE and _first(tags, SAMPLE_FORMAT) != SIGNED:
        grey = grey.view(np.uint32)  # Pillow reads unsigned numbers as signed
    grey = grey.astype(np.float64)
    low, high = ranges[0] if len(ranges) == 1 else _holding(grey, ranges)
    share = np.clip(np.nan_to_num((grey - low) / (high - low), posinf=1.0, neginf=0.0), 0.0, 1.0)
    if _first(tags, PHOTOMETRIC) == WHITE_IS_ZERO:
        share = 1.0 - share
    return np.rint(255.0 * share).astype(np.uint8)


def _declared(tags: Mapping[int, Any]) -> tuple[tuple[float, float], ...]:
    low, high = _first(tags, LOWEST) or 0.0, _first(tags, HIGHEST)
    return () if high is None or not low < high < np.inf else ((float(low), float(high)),)


def _of_type(mode: str, tags: Mapping[int, Any]) -> tuple[tuple[float, float], ...]:
    bits = _first(tags, BITS) or 16  # other formats are scaled to 16 bits by Pillow
    if mode == "F":
        return FLOATS
    if bits > 16:
        return WIDE
    return SIGNED_16_BITS if _first(tags, SAMPLE_FORMAT) == SIGNED else ((0.0, 2.0**bits - 1),)


def _holding(grey: np.ndarray, ranges: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """The first of ``ranges`` that holds the values."""
    values = np.sort(grey[np.isfinite(grey)], axis=None)
    if not len(values):
        return ranges[0]
    others = max(1, int(OUTLIERS * len(values))) if len(values) > 2 else 0
    lowest, highest = values[others], values[-1 - others]
    beyond = OVERSHOOT * (highest - lowest)
    for low, high in ranges:
        if low - beyond <= lowest and highest <= high + beyond:
            return low, high
    raise ValueError(f"grey values of {lowest:.4g} to {highest:.4g} have no usual scale: save it in 8 or 16 bits")


def _first(tags: Mapping[int, Any], tag: int) -> Any:
    """The value of a tag, the first of several; None without it."""
    value = tags.get(tag)
    return value[0] if isinstance(value, tuple) else value
