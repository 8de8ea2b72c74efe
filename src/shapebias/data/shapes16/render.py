"""A figure of each category in a texture before a soft background, or as a plain black silhouette."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shapebias.data.shapes16 import animals, objects, vehicles
from shapebias.data.shapes16.draw import Drawing
from shapebias.data.shapes16.textures import texture as paint
from shapebias.errors import unknown

FIGURES: dict[str, Callable[[np.random.Generator], Drawing]] = {
    "airplane": vehicles.airplane,
    "bear": animals.bear,
    "bicycle": vehicles.bicycle,
    "bird": animals.bird,
    "boat": vehicles.boat,
    "bottle": objects.bottle,
    "car": vehicles.car,
    "cat": animals.cat,
    "chair": objects.chair,
    "clock": objects.clock,
    "dog": animals.dog,
    "elephant": animals.elephant,
    "keyboard": objects.keyboard,
    "knife": objects.knife,
    "oven": objects.oven,
    "truck": vehicles.truck,
}


def render_mask(shape: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random figure of the category ``shape``: (size, size) coverage in [0, 1]."""
    if shape not in FIGURES:
        raise unknown("shape", shape, FIGURES)
    return FIGURES[shape](rng).mask(size, rng)


def render_image(shape: str, texture: str | None, size: int, rng: np.random.Generator) -> Image.Image:
    """A picture of ``shape`` wearing the texture of the category ``texture``: RGB, size x size pixels.

    Without a texture it is a black silhouette on white. Figure, texture and background take their
    randomness from three separate streams drawn from ``rng``: the same ``rng`` gives the same figure
    in the same place whatever it wears, and the same background.
    """
    figure, cover, ground = (np.random.default_rng(int(s)) for s in rng.integers(2**63, size=3))
    mask = render_mask(shape, size, figure)
    if texture is None:
        grey = np.rint((1 - mask) * 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    behind, light = _background(mask, size, ground)
    # A little modelling: brighter towards the light, and a rim that leans away from the background.
    blurred = _blur(mask, size * 0.022)
    rim = (1 - blurred) * mask * (-0.30 if light else 0.26)
    slope = blurred - np.roll(blurred, (max(1, size // 48),) * 2, (0, 1))
    front = paint(texture, size, cover) + (rim + 0.16 * slope * mask)[..., None]
    picture = behind + (front - behind) * mask[..., None]
    return Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _background(mask: NDArray[np.float32], size: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], bool]:
    """A smooth light (or, in one of three, dark) ground with the figure's soft shadow, (size, size, 3)."""
    light = bool(rng.random() < 0.67)
    level = rng.uniform(0.86, 0.95) if light else rng.uniform(0.07, 0.15)
    tint = rng.normal(0, 0.013 if light else 0.007, 3)
    angle = rng.uniform(0, 2 * np.pi)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    slope = rng.uniform(0.02, 0.09) * (np.cos(angle) * x + np.sin(angle) * y)
    centre = rng.uniform(-0.25, 0.25, 2)
    glow = -rng.uniform(0.0, 0.10) * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    grain = rng.normal(0, 0.006, (size, size))
    value = slope + glow + grain
    depth = rng.uniform(0.0, 0.16) if light else rng.uniform(0.0, 0.07)
    shift = max(1, round(size * 0.025))
    shadow = _blur(np.pad(mask, ((shift, 0), (shift, 0)))[:size, :size], size * 0.03) * depth
    ground = level + (value - shadow)[..., None] + tint - tint.mean()
    return ground.astype(np.float32), light


def _blur(mask: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    image = Image.fromarray(np.rint(mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return (np.asarray(image) / 255).astype(np.float32)
