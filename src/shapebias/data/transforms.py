"""Random and central crops on PIL images, drawn from a generator that the caller keys."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Crop:
    """A box in fractions of width and height (left, top, right, bottom), and whether to mirror.

    In fractions, it cuts the same part out of an image and of its stylized copies of another size.
    """

    box: tuple[float, float, float, float]
    flip: bool = False

    def __call__(self, image: Image.Image, size: int) -> Image.Image:
        """Cut the box out of ``image`` and resize it to ``size`` x ``size`` in one bicubic step."""
        width, height = image.size
        left, top, right, bottom = self.box
        box = (left * width, top * height, right * width, bottom * height)
        if image.size != (size, size) or self.box != (0.0, 0.0, 1.0, 1.0):
            image = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip else image


def random_crop(
    width: int,
    height: int,
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Crop:
    """A crop of random area and aspect, mirrored half the time, as in the usual ImageNet recipes.

    Ten tries to fit the drawn aspect into the image, then the largest central square.
    """
    flip = bool(rng.random() < 0.5)
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = math.sqrt(area * aspect) / width, math.sqrt(area / aspect) / height
        if w <= 1 and h <= 1:
            left, top = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            return Crop((left, top, left + w, top + h), flip)
    return Crop(centre_crop(width, height).box, flip)


def centre_crop(width: int, height: int, *, fraction: float = 1.0) -> Crop:
    """The central square, ``fraction`` of the shorter side; .875 is ImageNet's "resize 256, crop 224"."""
    side = min(width, height) * fraction
    w, h = side / width, side / height
    return Crop(((1 - w) / 2, (1 - h) / 2, (1 + w) / 2, (1 + h) / 2))


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB image as float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).float().div_(255)


def to_image(tensor: Tensor) -> Image.Image:
    """A (3, H, W) tensor in [0, 1] as an RGB image of 8 bits."""
    array = tensor.detach().float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return Image.fromarray(array.cpu().contiguous().numpy())
