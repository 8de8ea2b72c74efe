"""ImageNet-C's elastic transform and frost as published, where the library that makes the others differs from them.

Lengths are for images of 224 pixels, as published; for others the elastic transform's follow the shorter side.
"""

from __future__ import annotations

from importlib import import_module
from importlib.resources import as_file, files
from typing import Any

import numpy as np

SIDE = 224
_BASE = 244  # not 224: the published code says so
# Displacement, the deviation of its smoothing, and the shift of the affine map's three points, in multiples of _BASE.
ELASTIC = ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # weights of the image and of the frost
# The published code draws among the first five of its six pictures. The library brings them; they are not ours.
FROST_PICTURES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


def elastic_transform(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Move three points of ``pixels`` (H, W, 3) uint8 at random by an affine map, then every pixel smoothly."""
    cv2, ndimage = _module("cv2"), _module("scipy.ndimage")
    height, width = pixels.shape[:2]
    scale = _BASE * min(height, width) / SIDE
    displacement, deviation, shift = (part * scale for part in ELASTIC[severity - 1])
    middle, reach = np.array([height, width]) // 2, min(height, width) // 3
    corners = (middle + np.array([(reach, reach), (reach, -reach), (-reach, -reach)])).astype(np.float32)
    moved = corners + rng.uniform(-shift, shift, size=(3, 2)).astype(np.float32)
    affine = cv2.getAffineTransform(corners, moved)
    image = pixels.astype(np.float32) / 255
    image = cv2.warpAffine(image, affine, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    right, down = (
        displacement
        * ndimage.gaussian_filter(rng.uniform(-1, 1, size=(height, width)), deviation, mode="reflect", truncate=3)
        for _ in range(2)
    )
    rows, columns = np.mgrid[:height, :width]
    where = rows + down.astype(np.float32), columns + right.astype(np.float32)
    channels = [ndimage.map_coordinates(image[..., c], where, order=1, mode="reflect") for c in range(3)]
    return (np.clip(np.stack(channels, axis=-1), 0, 1) * 255).astype(np.uint8)


def frost(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add a random crop of a random frost picture, not scaled unless ``pixels`` (H, W, 3) uint8 are larger than it."""
    cv2 = _module("cv2")
    height, width = pixels.shape[:2]
    name = FROST_PICTURES[int(rng.integers(len(FROST_PICTURES)))]
    with as_file(files("imagecorruptions") / "frost" / name) as path:
        ice = cv2.imread(str(path))[..., ::-1]
    if (larger := max((height + 1) / ice.shape[0], (width + 1) / ice.shape[1])) > 1:
        ice = cv2.resize(ice, None, fx=larger, fy=larger, interpolation=cv2.INTER_CUBIC)
    top = int(rng.integers(max(1, ice.shape[0] - height)))
    left = int(rng.integers(max(1, ice.shape[1] - width)))
    own, added = FROST[severity - 1]
    mixed = own * pixels + added * ice[top : top + height, left : left + width]
    return np.clip(mixed, 0, 255).astype(np.uint8)


PUBLISHED = {"elastic_transform": elastic_transform, "frost": frost}


def _module(name: str) -> Any:
    """Return a module that the extra brings; the caller has checked that the extra is there."""
    return import_module(name)
