"""Pictures for the eye and the report: labels and maps laid on an image, parts side by side, and their index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shapebias.data.encode import save_image
from shapebias.data.readers.voc_masks import VOC_PALETTE
from shapebias.errors import UserError
from shapebias.files import read_json

GAP = 4  # white pixels between the parts of ``side_by_side``
STRENGTH = 0.65  # of the colours laid on a picture
_RAMP = np.array([[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]], dtype=np.float64)


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """Write an RGB picture (H, W, 3) uint8."""
    save_image(path, Image.fromarray(pixels))


def side_by_side(*parts: np.ndarray) -> np.ndarray:
    """Join RGB pictures (H, W, 3) uint8 of one height from left to right, with white between them."""
    gap = np.full((parts[0].shape[0], GAP, 3), 255, dtype=np.uint8)
    return np.concatenate([piece for part in parts for piece in (gap, part)][1:], axis=1)


def overlay_labels(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Lay classes (H, W) in VOC's colours on RGB ``pixels`` (H, W, 3) uint8 in grey; the background shows the grey."""
    grey = _grey(pixels)
    mixed = (1 - STRENGTH) * grey + STRENGTH * VOC_PALETTE[labels]
    return np.where((labels > 0)[..., None], mixed, grey).round().astype(np.uint8)


def overlay_heat(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay ``heat`` (H, W) in [0, 1], dark blue to yellow, on RGB ``pixels`` (H, W, 3) uint8 in grey."""
    stops = np.linspace(0, 1, len(_RAMP))
    colours = np.stack([np.interp(heat, stops, channel) for channel in _RAMP.T], axis=2)
    return ((1 - STRENGTH) * _grey(pixels) + STRENGTH * colours).round().astype(np.uint8)


def read_index(path: Path, schema: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read an index of pictures of that ``schema``: its head, and its rows; empty if it is missing or damaged."""
    try:
        found = read_json(path)
    except UserError:
        return {}, []
    if not isinstance(found, dict) or found.get("schema") != schema or not isinstance(found.get("pictures"), list):
        return {}, []
    head = {key: value for key, value in found.items() if key != "pictures"}
    return head, [row for row in found["pictures"] if isinstance(row, dict)]


def _grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels.mean(2, keepdims=True), 3, axis=2)
